from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flashpipe.errors import BadValueError
from flashpipe.sim.chip.factory import factory_contents
from flashpipe.sim.chip.wire import LineDirection, garble, understood
from flashpipe.sim.faults import Faults
from flashpipe.sim.host_line import HostLine
from flashpipe.sim.loader import slip
from flashpipe.sim.loader.main_loop import HEADER, SYNC_PAYLOAD
from flashpipe.sim.options import parse_url
from flashpipe.sim.transcript import Transcript
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sim.lines import ROM_REPLIES, SYNC


class Wall:
    """A clock that only a test moves."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def build(url: str, wall: Wall | None = None, transcript: Transcript | None = None) -> HostLine:
    setup = parse_url(url)
    return HostLine(setup.spec, setup.factor, Faults.parse(setup.faults, setup.seed), transcript, wall or Wall())


def lines(link: HostLine, text: str) -> None:
    """Set DTR and RTS one after the other: `D1 R0` and so on."""
    dtr, rts = link.lines
    for word in text.split():
        dtr, rts = (word[1] == "1", rts) if word[0] == "D" else (dtr, word[1] == "1")
        link.set_lines(dtr=dtr, rts=rts)


def said(link: HostLine) -> bytes:
    return link.read(link.waiting(), 0)


# --- reset circuit ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sequence", "mode"), [
    ("D0 R1 D1 R0 D0", "rom"),  # esptool's portable sequence
    ("D1 R1 D0 D1 R0 D0", "rom"),  # its sequence for both lines at once, as single steps
    ("R1 R0", "app"),  # hard reset
    ("D1 R1", "app"),  # both together: nothing; the board has been running its program
    ("D1 R0", "app"),  # GPIO0 alone resets nothing
])  # fmt: skip
def test_dtr_and_rts(sequence: str, mode: str) -> None:
    link = build("sim://esp12")
    lines(link, sequence)
    assert link.board.mode == mode


def test_rts_alone_holds_the_chip_in_reset() -> None:
    link = build("sim://esp12")
    resets = link.board.resets
    lines(link, "R1")
    assert link.board.mode == "off"
    lines(link, "R0")
    assert (link.board.mode, link.board.resets) == ("app", resets + 1)


def test_en_rises_while_both_lines_stay_asserted() -> None:
    wall = Wall()
    link = build("sim://esp12?time=real", wall)
    lines(link, "R1 D1")
    wall.seconds = 0.005
    link.pump()
    assert link.board.mode == "off"
    wall.seconds = 0.1
    link.pump()
    assert link.board.mode == "app", "GPIO0 was high when EN had risen"


def test_a_board_without_wires_needs_a_hand() -> None:
    link = build("sim://esp01?wiring=none")
    assert link.board.mode == "rom"
    lines(link, "D0 R1 D1 R0 D0")
    assert link.board.mode == "rom"
    link.pull(lambda board, now: board.reset(now))
    assert link.board.mode == "app"
    link.pull(lambda board, _now: setattr(board, "gpio0_held", True))
    link.pull(lambda board, now: board.reset(now))
    assert link.board.mode == "rom"
    link.pull(lambda board, now: board.power(on=False, now=now))
    assert link.board.mode == "off"
    link.pull(lambda board, now: board.power(on=True, now=now))
    assert link.board.mode == "rom"


@pytest.mark.parametrize("start", ["app", "rom", "stub-v1", "stub-v2"])
def test_how_it_starts(start: str) -> None:
    assert build(f"sim://esp12?start={start}").board.mode == start


# --- line ------------------------------------------------------------------------------------------------------------


def test_in_real_time_bytes_arrive_at_the_rate_of_the_line() -> None:
    wall = Wall()
    link = build("sim://esp12?time=real&start=rom&security_info=same-op", wall)
    link.write(SYNC)
    wall.seconds = 0.012
    assert link.waiting() == 0, "46 bytes take 4 ms, the ROM 8 ms"
    arrived = []
    while wall.seconds < 0.03:
        wall.seconds += 0.0005
        arrived.append(link.waiting())
    assert arrived[-1] == 8 * 12
    assert arrived == sorted(arrived)
    assert len({count for count in arrived if 0 < count < 96}) > 5


def test_scaled_time_is_real_time_at_another_speed() -> None:
    wall = Wall()
    link = build("sim://esp12?time=0.25&start=rom", wall)
    link.write(SYNC)
    wall.seconds = 0.0025
    assert link.waiting() == 0
    wall.seconds = 0.0065
    assert link.waiting() == 8 * 12


def test_the_boot_log_is_readable_at_its_own_rate_only() -> None:
    for baud, readable in ((74880, True), (115200, False)):
        link = build("sim://esp12?fill=ff")
        link.set_baud(baud)
        lines(link, "R1 R0")
        link._wall.seconds += 0.002  # type: ignore[attr-defined]
        assert (b"ets Jan  8 2013,rst cause" in said(link)) == readable


def test_garbling_depends_on_the_rates_alone() -> None:
    assert understood(115200, 115044)
    assert not understood(74880, 115200)
    assert garble(b"hello", 115200, 115044) == b"hello"
    once = garble(b"hello", 74880, 115200)
    assert once == garble(b"hello", 74880, 115200) != b"hello"
    assert garble(b"", 9600, 115200) == b""


def test_a_fast_program_that_changes_its_rate_lets_the_host_follow() -> None:
    wall = Wall()
    link = build("sim://esp12", wall)
    link.set_baud(74880)
    lines(link, "R1 R0")
    wall.seconds += 0.05
    log = said(link)
    assert b"ets Jan  8 2013" in log
    assert said(link) == b""
    wall.seconds += 5
    assert said(link) == b"", "a host that was given no CPU had no time to follow"
    link.set_baud(115200)
    begun, heard = wall.seconds, b""
    while not heard:
        wall.seconds += link.nap_s()
        heard = said(link)
    assert b"ready" in heard
    assert 0.05 < wall.seconds - begun < 0.2


def test_bytes_on_the_line_arrive_one_after_the_other() -> None:
    line = LineDirection()
    line.send(b"0123456789", now=0.0, baud=10.0)
    assert [line.arrived(until) for until in (0.5, 1.0, 3.5, 100.0)] == [0, 1, 3, 10]
    assert line.take(3) == b"012"
    assert line.arrived(4.0) == 1
    line.clear()
    assert line.empty


# --- faults ----------------------------------------------------------------------------------------------------------


def write_sectors(host: Any, bench: Any, count: int, first: int = 0) -> None:
    host.status(2, bench.words(count * 0x1000, count, 0x1000, first * 0x1000, 0))
    for number in range(count):
        host.block(3, bytes([number + 1]) * 0x1000, number)


def test_noise_and_losses_repeat_with_the_seed(bench: Any) -> None:
    def heard(options: str) -> bytes:
        host = bench.host(f"sim://esp12?start=stub-v2&fill=byte:0&{options}")
        return b"".join(bytes(host.raw(SYNC)) for _ in range(30))

    clean = heard("seed=1")
    assert heard("fault=noise:0.01&seed=1") == heard("fault=noise:0.01&seed=1") != clean
    assert heard("fault=noise:0.01&seed=1") != heard("fault=noise:0.01&seed=2")
    assert len(heard("fault=lost:0.05")) < len(clean)


def test_the_port_vanishes_at_a_byte(opener: Any) -> None:
    import serial  # noqa: PLC0415

    for fault in ("unplug:100", "stolen:100"):
        port = opener(f"sim://esp12?start=rom&fault={fault}", baudrate=115200, timeout=0.1)
        port.write(bytes(100))
        port.write(b"x")
        with pytest.raises(serial.SerialException):
            port.read(1)
        with pytest.raises(serial.SerialException):
            port.write(b"x")
        port.close()


def test_power_fails_in_the_middle_of_a_program(bench: Any) -> None:
    host = bench.host("sim://esp12?start=stub-v1&fill=byte:0&fault=power-loss-at:0x1800")
    write_sectors(host, bench, 3)
    assert host.link.board.mode == "off"
    # Stub 1 erases one sector ahead: the second one is half erased before the first is written.
    assert host.cells[:0x1800] == b"\xff" * 0x1800
    assert host.cells[0x1800:0x3000] == b"\x55" * 0x800 + bytes(0x1000)
    assert not host.command(8, SYNC_PAYLOAD)
    host.link.pull(lambda board, now: board.power(on=True, now=now))
    assert host.link.board.mode == "app"


def test_a_torn_program_has_its_first_half(bench: Any) -> None:
    host = bench.host("sim://esp12?start=stub-v1&fill=ff&fault=power-loss:2")
    write_sectors(host, bench, 1)
    cells = host.cells
    assert cells[:0x800] == b"\x01" * 0x800
    assert cells[0x800:0x1000] == b"\xff" * 0x800


def test_brown_out_resets_the_chip(bench: Any) -> None:
    host = bench.host("sim://esp12?start=stub-v1&fill=byte:0&fault=brown-out:2")
    resets = host.link.board.resets
    host.status(2, bench.words(0x3000, 3, 0x1000, 0, 0))
    body = bytes(0x1000)
    host.raw(slip.encode(HEADER.pack(0, 3, 16 + len(body), 0xEF) + bench.words(len(body), 0, 0, 0) + body))
    assert host.link.board.resets > resets
    assert host.link.board.mode == "app"


@pytest.mark.parametrize(("fault", "bad"), [("stuck-sector:0x1000", 0x1000), ("weak-page:0x2100", 0x2100)])
def test_broken_cells(bench: Any, fault: str, bad: int) -> None:
    host = bench.host(f"sim://esp12?start=stub-v2&fill=byte:0x40&fault={fault}")
    write_sectors(host, bench, 4)
    want = b"".join(bytes([number + 1]) * 0x1000 for number in range(4))
    wrong = [at for at in range(0, 0x4000, 0x100) if host.cells[at : at + 0x100] != want[at : at + 0x100]]
    assert wrong[0] == bad
    assert len(wrong) == (16 if fault.startswith("stuck") else 1)


def test_bridge_that_cannot_go_fast(bench: Any) -> None:
    host = bench.host("sim://esp12?start=stub-v2&fault=bad-baud:460800")
    host.status(0x0F, bench.words(921600, 115200))
    host.link.set_baud(921600)
    frames, _ = bench.frames_in(host.raw(SYNC))
    assert bytes.fromhex("01080200000000000000") not in frames


def test_a_stub_that_never_answers(bench: Any) -> None:
    """esptool 5.6 waits for it without a time-out."""
    for options, mode in (("", "stub-v1"), ("&fault=stub-silent", "off")):
        host = bench.host(f"sim://esp12?start=rom{options}")
        host.command(8, SYNC_PAYLOAD)
        stub = b"OHAI".rjust(100, b"\x01").ljust(8276, b"\x01")
        host.status(5, bench.words(len(stub), 2, 0x1800, 0x4010D000))
        for number, at in enumerate(range(0, len(stub), 0x1800)):
            host.block(7, stub[at : at + 0x1800], number)
        frames = host.command(6, bench.words(0, 0x4010D004))
        assert frames[1:] == ([b"OHAI"] if mode != "off" else [])
        assert host.link.board.mode == mode


def test_echo_and_mute(bench: Any) -> None:
    echo = bench.host("sim://esp12?start=stub-v2&fault=echo")
    assert echo.raw(SYNC).startswith(SYNC)
    assert bench.host("sim://esp12?start=stub-v2&fault=mute").raw(SYNC) == b""
    assert bench.host("sim://esp12?start=stub-v2&fault=deaf").raw(SYNC) == b""


def test_wrong_size_keeps_the_id_and_wraps(bench: Any) -> None:
    host = bench.host("sim://esp12?start=stub-v2&fill=ff&fault=wrong-size:1MB")
    assert host.link.board.nor.transact(0x9F, 0, b"", 3, 0.0) == bytes.fromhex("ef4016")
    write_sectors(host, bench, 1, first=0x100)
    assert host.cells[:0x1000] == b"\x01" * 0x1000
    assert len(host.cells) == 1 << 20


@pytest.mark.parametrize("text", ["nonsense", "noise", "noise:2", "noise:x", "stuck-sector:xyz", "mute:1", "unplug:-1"])
def test_bad_faults_name_themselves(text: str) -> None:
    with pytest.raises(BadValueError) as caught:
        parse_url(f"sim://esp12?fault={text}")
    assert text.partition(":")[0] in caught.value.message
    assert caught.value.hint
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(("when", "first"), [("@byte:60", 1), ("@command:0xd0", 2), ("@time:0.05", 0)])
def test_faults_can_begin_later(bench: Any, when: str, first: int) -> None:
    host = bench.host(f"sim://esp12?start=stub-v2&param.ce_us=50000&fault=mute{when}")
    answered = [bool(host.raw(SYNC)) for _ in range(2)] + [bool(host.command(0xD0)) for _ in range(2)]
    assert answered[-1] is False
    assert answered[:first] == [True] * first
    assert sorted(answered, reverse=True) == answered


@pytest.mark.parametrize(
    "text", ["mute@", "mute@noon", "mute@byte:x", "mute@time:-1", "bang@byte:1", "mute@command:zz"]
)
def test_bad_beginnings(text: str) -> None:
    with pytest.raises(BadValueError) as caught:
        parse_url(f"sim://esp12?fault={text}")
    assert text.partition("@")[0] in caught.value.message


def test_faults_can_be_joined() -> None:
    faults = Faults.parse(["mute+noise:0.5", "unplug:4KB"])
    assert (faults.switches, faults.rates, faults.limits) == ({"mute"}, {"noise": 0.5}, {"unplug": 4096})


# --- record ----------------------------------------------------------------------------------------------------------


def test_transcripts_of_the_same_run_are_equal(tmp_path: Path) -> None:
    def run(name: str) -> list[dict[str, Any]]:
        link = build("sim://esp12?fill=ff", transcript=Transcript(tmp_path / name))
        lines(link, "D0 R1 D1 R0 D0")
        link.clear_received()
        link.write(SYNC)
        link.set_baud(460800)
        link.close()
        return [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]

    first = run("a")
    assert first == run("b")
    assert any(event.get("who") == "host" and event["hex"] == SYNC.hex() for event in first)
    assert [event["value"] for event in first if event.get("what") == "baud"] == ["460800"]


# --- laws ------------------------------------------------------------------------------------------------------------

FRAMES = st.builds(
    lambda opcode, data, check: slip.encode(HEADER.pack(0, opcode, len(data), check) + data),
    st.sampled_from([*range(0x15), *range(0xD0, 0xD6)]) | st.integers(0, 255),
    st.binary(max_size=40) | st.lists(st.sampled_from([0, 1, 0x10, 0x1000, 0x4000]), max_size=6).map(
        lambda values: b"".join(value.to_bytes(4, "little") for value in values)),
    st.integers(0, 0xFFFFFFFF),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["rom", "stub-v1", "stub-v2"]), st.lists(FRAMES | st.binary(max_size=60), max_size=12))
def test_no_stream_of_commands_hangs_a_board_past_a_reset(start: str, pieces: list[bytes]) -> None:
    link = build(f"sim://esp01?start={start}&fill=ff")
    if start == "rom":
        link.write(SYNC)
    for piece in pieces:
        link.write(piece)
        link.clear_received()
    link.pull(lambda board, now: board.reset(now, download=True))
    link.clear_received()
    link.write(SYNC)
    assert said(link) == slip.encode(bytes.fromhex("01080200070712200000")) * 8


def test_factory_contents_are_what_a_new_board_holds() -> None:
    link = build("sim://esp12")
    assert bytes(link.board.cells[0 : link.board.nor.size]) == factory_contents(4 << 20)


def test_a_server_naps_only_when_it_has_passed_on_everything() -> None:
    """Bytes that arrived between two looks used to lie there for a quarter of a second."""
    wall = Wall()
    link = build("sim://esp12?time=real&start=rom", wall)
    link.write(SYNC)
    heard, longest = b"", 0.0
    while wall.seconds < 0.2:
        wall.seconds += link.nap_s()
        seen = link.waiting()
        wall.seconds += 5e-4  # more arrives while a server is busy
        if seen:
            heard += link.take()
            assert link.take() == b""
            wall.seconds += 5e-4
            link.pump()  # as another thread may
            longest = max(longest, link.nap_s() if link.waiting() else 0.0)
    assert heard.count(b"\xc0") == 16
    assert longest == 0.0


def test_many_boards_in_one_process() -> None:
    links = [parse_url(f"sim://esp01?board={number}&start=rom").build() for number in range(16)]
    for link in links:
        link.write(SYNC)
        assert link.read(link.waiting(), 0) == ROM_REPLIES
    assert len({link.board.spec.mac for link in links}) == 16
