"""The recorder remembers the end of a conversation, costs nothing, and its transcript tells no contents."""

from __future__ import annotations

from typing import Any

import pytest
from flashpipe.board.loader.frames import encode
from flashpipe.board.session import traffic_text as transcript
from flashpipe.board.session.traffic import KEPT, WHOLE, Chunk, TrafficLog, recorded
from hypothesis import example, given
from hypothesis import strategies as st

from tests.test_masking import FORMS, SECRET


class Port:
    """An open port."""

    baudrate = 115200

    def __init__(self, incoming: bytes = b"") -> None:
        self.incoming, self.outgoing = incoming, b""

    def read(self, size: int = 1) -> bytes:
        data, self.incoming = self.incoming[:size], self.incoming[size:]
        return data

    def write(self, data: bytes) -> int:
        self.outgoing += data
        return len(data)


def test_what_passes_is_passed_on_unchanged_and_remembered() -> None:
    traffic, plain = TrafficLog(), Port(b"hello")
    port: Any = recorded(plain, traffic)
    assert port is plain
    assert port.write(b"ab") == 2
    port.baudrate = 74880
    assert (port.read(3), port.read(9), port.read(9)) == (b"hel", b"lo", b"")
    assert plain.outgoing == b"ab"
    assert [(chunk.way, chunk.baud, chunk.data) for chunk in traffic.chunks()] == [
        (">", 115200, b"ab"), ("<", 74880, b"hel"), ("<", 74880, b"lo"),
    ]  # fmt: skip
    assert (traffic.bytes_sent, traffic.bytes_received) == (2, 5)
    assert traffic.since(3) == b"lo"
    assert traffic.since(5) == b""


def test_it_forgets_what_is_long_ago_and_keeps_the_head_of_large_blocks() -> None:
    traffic = TrafficLog()
    for number in range(KEPT + 50):
        traffic.sent(115200, bytes([number & 0xFF]) * (WHOLE * 2))
    chunks = traffic.chunks()
    assert len(chunks) == KEPT
    assert chunks[0].data[0] == 50
    assert {(chunk.count, len(chunk.data)) for chunk in chunks} == {(WHOLE * 2, WHOLE)}
    assert traffic.bytes_sent == (KEPT + 50) * WHOLE * 2


def chunk(way: str, data: bytes, baud: int = 115200) -> Chunk:
    return Chunk(0.0, way, baud, len(data), data)


REQUEST = encode(bytes.fromhex("000a0400 00000000 5000f03f"))
ANSWER = encode(bytes.fromhex("010a0200 891cd77f 0000"))


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (chunk(">", REQUEST), "READ_REG"),
        (chunk("<", ANSWER), "answer to READ_REG, status 00 00"),
        (chunk("<", b"\r\n ets Jan  8 2013,rst cause:2, boot mode:(3,6)\r\n"), "boot mode:(3,6)"),
        (chunk("<", bytes(range(128, 144))), "80 81 82"),
        (chunk(">", b"\r"), "0d"),
    ],
)
def test_a_transfer_is_told_by_its_meaning(one: Chunk, words: str) -> None:
    (line,) = transcript.lines([one])
    assert words in line


@pytest.mark.parametrize("data", [ANSWER, encode(b"\x5c\xcf\x7f\xd7\x1c\x89" * 200)])
def test_contents_stay_out_of_it(data: bytes) -> None:
    (line,) = transcript.lines([chunk("<", data)])
    assert "d7" not in line
    assert "1c" not in line


def test_bytes_that_are_no_answer_are_counted_since_the_last_request() -> None:
    noise = bytes(range(130, 150))
    assert transcript.stray_bytes([chunk("<", noise), chunk(">", REQUEST), chunk("<", ANSWER)]) == 0
    assert transcript.stray_bytes([chunk(">", REQUEST), chunk("<", ANSWER), chunk("<", noise)]) >= len(noise) - 2
    assert transcript.stray_bytes([]) == 0


BETWEEN: dict[str, list[Chunk]] = {
    "nothing": [],
    "a request": [chunk(">", REQUEST)],
    "a line end that was typed": [chunk(">", b"\r")],
    "an answer": [chunk("<", ANSWER)],
    "both": [chunk(">", REQUEST), chunk("<", ANSWER)],
    "a damaged byte": [chunk("<", b"\x81")],
    "a byte at another rate": [chunk("<", b"\x81", baud=74880)],
}


def shares(text: str) -> list[str]:
    """What of the secret stands in a text, four letters at least."""
    return [SECRET[at : at + 4] for at in range(len(SECRET) - 3) if SECRET[at : at + 4] in text]


def shown_live(chunks: list[Chunk]) -> str:
    shown: list[str] = []
    live = transcript.LiveLines(shown.append)
    for one in chunks:
        live(one)
    live.flush()
    return "\n".join(shown)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("between", ["nothing", "both", "a byte at another rate"])
def test_a_secret_that_comes_in_two_reads_is_none_less(form: str, between: str) -> None:
    said = f"\r\nheap 40200 bytes\r\n{form}\r\n> ".encode()
    for cut in range(1, len(said)):
        baud = 74880 if between == "a byte at another rate" else 115200
        chunks = [chunk("<", said[:cut]), *BETWEEN[between], chunk("<", said[cut:], baud)]
        assert shares("\n".join(transcript.lines(chunks))) == []
        assert shares(shown_live(chunks)) == [], cut


@given(st.sampled_from(FORMS), st.lists(st.tuples(st.integers(1, 40), st.sampled_from(sorted(BETWEEN))), max_size=20))
@example(FORMS[0], [(1, "both")] * 30)
@example('wifi.sta.config("home","hunter22")', [(17, "a damaged byte"), (9, "a damaged byte")])
@example(
    'wifi.sta.config("home","hunter22")',
    [(1, "a byte at another rate"), (1, "a byte at another rate"), (6, "a damaged byte"), (9, "a damaged byte")],
)
def test_nor_is_one_in_many_pieces(form: str, cuts: list[tuple[int, str]]) -> None:
    left, chunks = f"heap 40200 bytes\r\n{form}\r\n> ".encode(), list[Chunk]()
    for size, between in cuts:
        chunks += [chunk("<", left[:size]), *BETWEEN[between]]
        left = left[size:]
    chunks.append(chunk("<", left))
    assert SECRET not in "".join(transcript.lines(chunks))
    assert SECRET not in shown_live(chunks)


@pytest.mark.parametrize("lost", [b"wifi_password=x" * 60, b"x" * WHOLE + b" psk="])
def test_behind_a_gap_a_text_begins_with_its_first_line(lost: bytes) -> None:
    traffic = TrafficLog()
    traffic.received(115200, lost)
    traffic.received(115200, SECRET.encode())
    traffic.received(115200, f" {SECRET}\nready to go\n".encode())
    text = "\n".join(transcript.lines(traffic.chunks()))
    assert shares(text) == []
    assert "ready to go" in text


def test_what_was_forgotten_may_have_been_the_name_of_a_secret() -> None:
    traffic = TrafficLog()
    traffic.received(115200, b"ssid=")
    for letter in SECRET * (KEPT // len(SECRET)):
        traffic.received(115200, letter.encode())
    traffic.received(115200, b"\nready to go\n")
    letters = "".join(line.partition('"')[2].strip('"') for line in transcript.lines(traffic.chunks()))
    assert letters == "ready to go"


def test_letters_among_garbage_are_not_shown_as_numbers_either() -> None:
    (line,) = transcript.lines([chunk("<", b"\x80\x81" + SECRET[:6].encode() + b"\x82\x83")])
    assert SECRET[:4].encode().hex(" ") not in line
    assert "80 81 .. .." in line
