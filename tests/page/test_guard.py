"""Who may talk to the page, how much, and what it serves. No browser: whoever attacks it has other means."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flashpipe.page.guard import HEADERS

from tests.page.served import TOKEN, Served


class Client:
    """Requests as somebody makes them who follows no rules."""

    def __init__(self, served: Served) -> None:
        self._port = served.port
        self.host = f"127.0.0.1:{served.port}"
        self.cookie = ""

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        sent = {"Host": self.host, "Cookie": self.cookie} | {
            name.replace("_", "-"): text for name, text in headers.items()
        }
        connection.request(method, path, body, {name: text for name, text in sent.items() if text})
        answer = connection.getresponse()
        found = answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read()
        connection.close()
        return found

    def post(self, path: str, form: Any = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
        body = form if isinstance(form, bytes) else json.dumps(form or {}).encode()
        return self.ask("POST", path, body, **{"Origin": f"http://{self.host}", **headers})

    def enter(self) -> Client:
        status, headers, _ = self.ask("GET", f"/start/{TOKEN}")
        assert status == 200
        self.cookie = headers["set-cookie"].partition(";")[0]
        return self


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One page for all: nobody gets anywhere."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLASHPIPE_STATE", str(tmp_path_factory.mktemp("state")))
        page = Served(tmp_path_factory.mktemp("project"))
        yield page
        page.end()


@pytest.fixture
def client(served: Served) -> Client:
    """Somebody without the cookie."""
    return Client(served)


def test_the_token_gives_a_cookie_that_scripts_and_other_sites_do_not_get(client: Client) -> None:
    _, headers, _ = client.ask("GET", f"/start/{TOKEN}")
    attributes = {part.strip().lower() for part in headers["set-cookie"].split(";")[1:]}
    assert attributes >= {"httponly", "samesite=strict", "path=/"}
    assert TOKEN not in headers["set-cookie"]


@pytest.mark.parametrize(
    "path", ["/", "/events", "/receipts", "/static/page.js", "/start/", "/start/wrong", "/nothing"]
)
def test_without_the_cookie_there_is_nothing(client: Client, path: str) -> None:
    assert client.ask("GET", path)[0] == 403
    client.cookie = "flashpipe-00000000=wrong"
    assert client.ask("GET", path)[0] == 403


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:80", "127.0.0.1@evil", ""])
def test_another_name_for_this_machine_is_refused(client: Client, host: str) -> None:
    client.enter()
    client.host = host or "[::2]"
    assert client.ask("GET", "/")[0] == 421
    assert client.ask("GET", f"/start/{TOKEN}")[0] == 421


@pytest.mark.parametrize("host", ["localhost:{}", "127.0.0.1:9999"])
def test_a_tunnel_may_give_it_another_port(client: Client, host: str) -> None:
    client.host = host.format(client.host.rpartition(":")[2])
    assert client.enter().ask("GET", "/")[0] == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", ""])
def test_another_site_changes_nothing(client: Client, served: Served, origin: str) -> None:
    client.enter()
    status, _, _ = client.ask("POST", "/boards", b'{"kind": "demo"}', Origin=origin)
    assert status == 403
    assert "sim://demo" not in {board.port for board in served.site.boards.all()}


def test_every_answer_forbids_what_is_from_elsewhere(client: Client) -> None:
    client.enter()
    for path in ("/", "/receipts", "/backups", "/bundle", "/static/page.js", "/nothing"):
        headers = client.ask("GET", path)[1]
        assert {name: headers.get(name) for name in HEADERS} == HEADERS, path
    assert "unsafe" not in HEADERS["content-security-policy"]
    assert "server" not in headers


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/..%2fapp.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/static/"]
)
def test_only_its_own_files_are_served(client: Client, path: str) -> None:
    assert client.enter().ask("GET", path)[0] == 404


@pytest.mark.parametrize("path", ["/receipts/..%2f..%2fx.json", "/receipts/x.json", "/boards/x", "/boards/x/fetched"])
def test_what_is_not_there_is_not_found(client: Client, path: str) -> None:
    assert client.enter().ask("GET", path)[0] == 404


def test_uploads_are_bounded_whatever_is_said_of_their_length(client: Client, served: Served) -> None:
    client.enter()
    made = json.loads(client.post("/uploads")[2])["set"]
    assert client.post(f"/uploads/{made}?name=x.bin", b"x", Content_Length="99999999")[0] == 400
    chunks = b"".join(b"100000\r\n" + b"x" * 0x100000 + b"\r\n" for _ in range(33))
    head = (
        f"POST /uploads/{made}?name=y.bin HTTP/1.1\r\nHost: {client.host}\r\nOrigin: http://{client.host}\r\n"
        f"Cookie: {client.cookie}\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as raw:
        raw.settimeout(60)
        try:
            raw.sendall(head.encode() + chunks + b"0\r\n\r\n")
        except OSError:
            pass  # it has heard enough
        else:
            assert b" 400 " in raw.recv(100)
    with pytest.raises(Exception, match="no file has arrived"):
        served.site.uploads.files(made)


def test_half_an_upload_stands_in_nobodys_way(client: Client, served: Served) -> None:
    made = json.loads(client.enter().post("/uploads")[2])["set"]
    head = (
        f"POST /uploads/{made}?name=x.bin HTTP/1.1\r\nHost: {client.host}\r\nOrigin: http://{client.host}\r\n"
        f"Cookie: {client.cookie}\r\nContent-Length: 1000\r\n\r\n"
    )
    path = served.site.uploads.folder(made) / "x.bin"
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as raw:
        raw.sendall(head.encode() + b"half")
        wait_until(path.exists)
    wait_until(lambda: not path.exists())
    assert client.post(f"/uploads/{made}?name=x.bin", b"whole")[0] == 200
    assert path.read_bytes() == b"whole"


def wait_until(there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    "body",
    [b"{", b"[]", b'{"a": 1}', b"x" * 2_000_000, b'{"a": {"b": "c"}}', b"\xff\xfe", b"[" * 100_000,
     b'{"a": "\\ud800"}'],
)  # fmt: skip
def test_what_is_no_form_is_refused(client: Client, served: Served, body: bytes) -> None:
    board = served.add("sim://esp12?board=form")
    status, _, told = client.enter().post(f"/boards/{board.slug}/choice", body)
    assert status == 400
    assert json.loads(told)["code"] in {"bad-value", "upload"}


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/boards", {"port": ""}),
        ("/boards", {"port": "a\nb"}),
        ("/boards", {"kind": "../x"}),
        ("/boards/SLUG/do/nothing", {}),
        ("/boards/SLUG/choice", {"mode": "a\x1bb"}),
        ("/boards/SLUG/choice", {"set": "unknown"}),
        ("/boards/SLUG/console", {"baud": "x"}),
        ("/boards/gone/do/flash", {}),
        ("/do/flash", {}),
    ],
)
def test_what_cannot_be_is_told_as_data(client: Client, served: Served, path: str, form: dict[str, str]) -> None:
    board = served.add("sim://esp12?board=form")
    status, _, told = client.enter().post(path.replace("SLUG", board.slug), form)
    assert status == 400
    assert json.loads(told)["message"]
    assert board.log is None
