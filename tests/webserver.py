"""A web server on this machine that does what servers do, right and wrong; and a certificate authority for it."""

from __future__ import annotations

import hashlib
import ipaddress
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOST = "127.0.0.1"


@dataclass
class Reply:
    """What the server sends. Sizes in bytes."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    length: int | None = None
    """Content-Length, where it shall not be that of the body; -1 for none."""
    cut: int | None = None
    """Break the connection after so much of the body."""
    drip_s: float = 0.0
    """Pause after each byte."""
    endless: tuple[bytes, bytes] | None = None
    """Sent instead of all that: the first once, the second every hundredth of a second, for ever."""
    reason: str | None = None
    """What stands behind the status, where it shall not be its usual words."""


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    path: str
    headers: Mapping[str, str]
    times: int
    """How often the path was asked for before."""


Route = Callable[[Asked], Reply]


def document(data: bytes, *, etag: str = '"1"', modified: str = "", cuts: tuple[int, ...] = ()) -> Route:
    """A server that does it right: validators, conditions, ranges; it breaks the first connections at `cuts`."""
    known = {name: value for name, value in (("ETag", etag), ("Last-Modified", modified)) if value}

    def answer(asked: Asked) -> Reply:
        cut = cuts[asked.times] if asked.times < len(cuts) else None
        if etag and asked.headers.get("If-None-Match") == etag:
            return Reply(status=304, headers=known)
        if modified and asked.headers.get("If-Modified-Since") == modified:
            return Reply(status=304, headers=known)
        wanted = asked.headers.get("Range", "")
        if wanted and asked.headers.get("If-Range") in {etag, modified}:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            return part(data, start, known, cut=cut)
        return Reply(data, headers=known, cut=cut)

    return answer


def part(data: bytes, start: int, headers: Mapping[str, str], *, cut: int | None = None) -> Reply:
    """The rest of `data` from `start`."""
    if start >= len(data):
        return Reply(status=416, headers={"Content-Range": f"bytes */{len(data)}"})
    content = f"bytes {start}-{len(data) - 1}/{len(data)}"
    return Reply(data[start:], 206, {**headers, "Content-Range": content}, cut=cut)


def in_turn(*replies: Reply | Route) -> Route:
    """One after the other; the last one for ever."""

    def answer(asked: Asked) -> Reply:
        found = replies[min(asked.times, len(replies) - 1)]
        return found if isinstance(found, Reply) else found(asked)

    return answer


def redirect(to: str, status: int = 302) -> Reply:
    return Reply(status=status, headers={"Location": to})


class Server:
    """Routes by path, over http or, with the authority, https."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.routes: dict[str, Route | Reply] = {}
        self.asked: list[Asked] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                asked = Asked(path, dict(self.headers), sum(one.path == path for one in owner.asked))
                owner.asked.append(asked)
                route = owner.routes.get(path, Reply(b"not here", 404))
                reply = route if isinstance(route, Reply) else route(asked)
                _write_for_ever(self.wfile, *reply.endless) if reply.endless else self._send(reply)

            def _send(self, reply: Reply) -> None:
                self.send_response(reply.status, reply.reason)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if reply.length != -1 and reply.status != 304:
                    self.send_header("Content-Length", str(len(reply.body) if reply.length is None else reply.length))
                self.send_header("Connection", "close")
                self.end_headers()
                self.close_connection = True
                body = reply.body if reply.cut is None else reply.body[: reply.cut]
                with suppress(OSError):
                    if reply.drip_s:
                        for byte in body:
                            self.wfile.write(bytes((byte,)))
                            time.sleep(reply.drip_s)
                    else:
                        self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Silence."""

        class Threads(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A client that goes away is what the tests want."""

        self._server = Threads((HOST, 0), Handler)
        self._scheme = "http"
        if context is not None:
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def url(self, path: str = "") -> str:
        return f"{self._scheme}://{HOST}:{self._server.server_address[1]}{path}"

    def times(self, path: str) -> int:
        """How often a path was asked for."""
        return sum(one.path == path for one in self.asked)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


def _write_for_ever(stream: BufferedIOBase, first: bytes, then: bytes) -> None:
    with suppress(OSError):
        stream.write(first)
        while True:
            stream.write(then)
            time.sleep(0.01)


class Authority:
    """Makes one certificate for this machine, signed by an authority that nobody knows but those told."""

    def __init__(self, folder: Path) -> None:
        self.bundle = folder / "ca.pem"
        own, name = ec.generate_private_key(ec.SECP256R1()), _name("flashpipe test authority")
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST)), x509.DNSName("localhost")])
        root = _builder(name, name, own).add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        leaf = _builder(_name(HOST), name, key).add_extension(names, critical=False)
        for each in (own.public_key(),):
            root = root.add_extension(x509.SubjectKeyIdentifier.from_public_key(each), critical=False)
            leaf = leaf.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(each), critical=False)
        root = root.add_extension(_usage(), critical=True)
        pem = serialization.Encoding.PEM
        self.bundle.write_bytes(root.sign(own, hashes.SHA256()).public_bytes(pem))
        served = folder / "server.pem"
        secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        served.write_bytes(secret + leaf.sign(own, hashes.SHA256()).public_bytes(pem))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(served)


def _usage() -> x509.KeyUsage:
    no = dict.fromkeys(
        ["content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"], False
    )
    return x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, decipher_only=False, **no)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
    )


@contextmanager
def hung_up(port_of: Callable[[int], None]) -> Iterator[None]:
    """A server that resets every connection at once."""
    with socket.create_server((HOST, 0)) as listening:
        port_of(listening.getsockname()[1])
        listening.settimeout(0.05)
        ended = threading.Event()

        def run() -> None:
            while not ended.is_set():
                with suppress(TimeoutError):
                    connection, _ = listening.accept()
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    connection.close()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(5)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
