"""What each kind of firmware prints and does to flash when it starts."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
from flashpipe.sim.chip import factory, image
from flashpipe.sim.firmware import identify as firmware
from flashpipe.sim.firmware import rcr

Maker = Callable[..., bytes]
SECTOR = 0x1000
MB = 1024 * 1024


def table(cells: Any) -> dict[int, tuple[int, int]]:
    """The live partition table: type to address and size."""
    page, at = cells.read(0x10000, SECTOR), 0
    while page[at + 1] != 1:
        at += 4 * (1 + page[at])
    items = struct.iter_unpack("<III", page[at + 4 : at + 4 + 4 * page[at]])
    return {kind: (address, size) for kind, address, size in items}


# --- 3.x


def test_3x_first_boot_has_two_rom_logs_and_heals_itself(boot: Any, cells: Any, nodemcu_3x: Maker) -> None:
    flash = cells(nodemcu_3x())
    heard = boot(flash)
    first, second = heard.text(74880).split("csum 0x")[1:]
    assert first.splitlines()[1:4] == [
        "system SPI FI size:4, Flash size: 4194304",
        "",
        " ets Jan  8 2013,rst cause:2, boot mode:(3,6)",
    ]
    assert second.splitlines()[1:] == [
        "system SPI FI size:4, Flash size: 4194304",
        "Writing Init Data to 0x0000f000",
        "rf cal sector: 13",
        "freq trace enable 0",
        "rf[112] : 00",
        "rf[113] : 00",
        "rf[114] : 01",
        "",
        "SDK ver: 3.0.1-dev(fce080e) compiled @ Apr 16 2019 15:02:05",
        "phy ver: 1136_0, pp ver: 10.2",
        "",
    ]
    formatted, banner = heard.text(115200).split("\r\nNodeMCU", 1)
    sectors = (4 * MB - 0x3000 - 0x18000) // 0x2000 * 2
    assert formatted == "Formatting file system. Please wait...\r\n" + "." * -(-sectors // 16)
    assert banner.endswith(
        " 3.0.0.0 \r\n\tbranch: release\r\n\tcommit: 4567\r\n"
        "\trelease: 3.0.0-release_x\r\n\trelease DTS: 202402250804\r\n"
        "\tSSL: false\r\n\tbuild type: float\r\n\tLFS: 0x0 bytes total capacity\r\n\tmodules: file,node,wifi\r\n"
        " build 2024-03-01 12:00 powered by Lua 5.1.4 on SDK 3.0.1-dev(fce080e)\r\ncannot open init.lua: \r\n> "
    )
    assert heard.now == pytest.approx(sectors * 0.0146, rel=0.1)


def test_formatting_takes_about_a_minute_on_16_mb(boot: Any, cells: Any, nodemcu_3x: Maker) -> None:
    """facts: flash-timing §7.2; or as long as the part says."""
    flash = cells(nodemcu_3x(size_frequency=0x90), 16 * MB)
    assert 50 < boot(flash).now < 70
    own = cells(nodemcu_3x(size_frequency=0x90), 16 * MB)
    assert boot(own, format_sector_s="0").now == pytest.approx(4064 * 0.045, rel=0.05)


def test_3x_partition_table_is_rewritten_by_the_nor_rule(boot: Any, cells: Any, nodemcu_3x: Maker) -> None:
    flash = cells(nodemcu_3x())
    fresh = flash.read(0x10000, SECTOR)
    boot(flash, until=0.5)
    page = flash.read(0x10000, SECTOR)
    assert 0x10000 not in flash.erased
    assert all(now & before == now for now, before in zip(page, fresh, strict=True))
    assert page[:4] == b"\x18\0\0\0"  # deleted
    assert page[0x64:0x68] == b"\x12\1\0\0"  # six partitions: no LFS
    assert table(flash) == {
        101: (0, 0xB000),
        4: (0xD000, SECTOR),
        5: (0xF000, SECTOR),
        102: (0x10000, 0x8000),
        106: (0x18000, 4 * MB - 0x3000 - 0x18000),
        6: (4 * MB - 0x3000, 0x3000),
    }


def test_3x_second_boot_changes_nothing(boot: Any, cells: Any, nodemcu_3x: Maker) -> None:
    flash = cells(nodemcu_3x())
    boot(flash)
    before, flash.erased = bytes(flash.cells), []
    heard = boot(flash)
    assert heard.text().count("ets Jan") == 1
    assert "Formatting" not in heard.text()
    assert (bytes(flash.cells), flash.erased) == (before, [])


def test_3x_changes_only_what_is_known_to_change(boot: Any, cells: Any, nodemcu_3x: Maker) -> None:
    """facts: image-flashmap §5.3, trap 12: record page, RF, init data, parameters, file system."""
    written = nodemcu_3x()
    flash = cells(written)
    boot(flash)
    differing = {at // SECTOR for at in range(len(written)) if flash.cells[at] != written[at]}
    assert differing == {0xD, 0xF, 0x10}
    assert flash.read(0xD000, 4) != b"\xff" * 4
    assert flash.read(0xF000, 1) == b"\5"
    assert flash.read(4 * MB - 0x3000, 4) != b"\xff" * 4


def test_3x_old_layout(boot: Any, cells: Any, nodemcu_3x: Maker) -> None:
    flash = cells(nodemcu_3x(old=True))
    heard = boot(flash)
    assert "Writing Init Data to 0x0000c000\r\nrf cal sector: 11\r\n" in heard.text()
    assert table(flash)[6] == (0xD000, 0x3000)
    assert table(flash)[106] == (0x18000, 4 * MB - 0x18000)


@pytest.mark.parametrize(
    ("lfs", "spiffs", "expected"),
    [
        (0x10001, 0xFFFFFFFF, (0x2A000, 4 * MB - 0x3000 - 0x2A000)),
        (0, 0x40000, (0x100000, 0x40000)),
        (0x40000, 0x3F0000, None),
    ],
)
def test_3x_layouts(  # noqa: PLR0917 - three values, three fixtures
    lfs: int, spiffs: int, expected: tuple[int, int] | None, boot: Any, cells: Any, nodemcu_3x: Maker
) -> None:
    flash = cells(nodemcu_3x(lfs=lfs, spiffs=spiffs))
    heard = boot(flash)
    if expected:
        assert table(flash)[106] == expected
    else:
        assert heard.text().endswith("Partition 5 invalid alignment\r\n")
        assert heard.application.reset_request == 4


def test_3x_flash_too_small(boot: Any, cells: Any, nodemcu_3x: Maker) -> None:
    heard = boot(cells(nodemcu_3x(size_frequency=0), 0x80000))
    assert heard.text().endswith("Flash size (524288) too small to support NodeMCU\r\n")
    assert heard.application.wake_at() is None


def test_3x_init_data_erased_alone_is_never_written_again(boot: Any, cells: Any, nodemcu_3x: Maker) -> None:
    """facts: image-flashmap §5.4."""
    flash = cells(nodemcu_3x())
    boot(flash)
    flash.erase_sector(0xF000)
    heard = boot(flash, until=5.0)
    assert heard.text().count("rf_cal[0] !=0x05,is 0xFF\r\n\r\n ets Jan  8 2013,rst cause:2") > 3
    assert flash.read(0xF000, 1) == b"\xff"
    assert heard.application.reset_request is None


def test_3x_whole_image_again_heals_the_init_data(boot: Any, cells: Any, nodemcu_3x: Maker) -> None:
    flash = cells(nodemcu_3x())
    boot(flash)
    flash.cells[:0x18000] = nodemcu_3x()
    heard = boot(flash)
    assert "Writing Init Data" in heard.text()
    assert "Formatting" not in heard.text()  # the files are where they were


def test_3x_without_its_second_half_stays_silent(boot: Any, cells: Any, nodemcu_3x: Maker) -> None:
    heard = boot(cells(nodemcu_3x()[:0x10000]))
    assert "csum" in heard.text().splitlines()[-1]
    assert heard.application.wake_at() is None


def test_header_that_claims_too_much_flash_destroys_the_program(boot: Any, cells: Any, nodemcu_3x: Maker) -> None:
    flash = cells(nodemcu_3x(), MB)
    heard = boot(flash, until=200.0)
    assert "Fatal exception" in heard.text()
    assert heard.text().endswith("ets_main.c \r\n")


# --- 2.x


def test_2x_first_boot(boot: Any, cells: Any, nodemcu_2x: Maker) -> None:
    flash = cells(nodemcu_2x())
    heard = boot(flash)
    assert "rf cal sector: 1019\r\nfreq trace enable 0\r\n" in heard.text(74880)
    assert "SDK ver: 2.2.1(cfd48f3) compiled @" in heard.text(74880)
    assert heard.text(115200) == (
        "\r\nFormatting file system. Please wait...\r\n"
        "\r\nNodeMCU custom build by nobody\r\n\tbranch: master\r\n\tcommit: 0123\r\n"
        "\tSSL: false\r\n\tmodules: file,node,tmr\r\n build created on 2018-01-02 03:04\r\n"
        " powered by Lua 5.1.4 on SDK 2.2.1(cfd48f3)\r\nlua: cannot open init.lua\r\n> "
    )
    assert flash.read(4 * MB - 0x4000, 8).hex() == "0500040205050502"
    assert "Formatting" not in boot(flash).text()


def test_2x_corrects_the_size_in_its_header(boot: Any, cells: Any, nodemcu_2x: Maker) -> None:
    flash = cells(nodemcu_2x(size_frequency=0x0F))
    written = flash.read(0, SECTOR)
    heard = boot(flash)
    assert heard.text().count("ets Jan") == 2
    assert "Self adjust flash size. 0x80000 (ROM) -> 0x400000 (Detected)\r\n" in heard.text(115200)
    assert flash.read(0, SECTOR) == written[:3] + b"\x4f" + written[4:]
    assert "rf cal sector: 123" in heard.text()
    assert "rf cal sector: 1019" in heard.text()
    assert boot(flash).text().count("ets Jan") == 1


def test_2x_with_the_older_words_of_the_correction(boot: Any, cells: Any, nodemcu_2x: Maker) -> None:
    shorter = nodemcu_2x(size_frequency=0x20).replace(b". 0x%x (ROM) -> 0x%x (Detected)\n", b".\n\0".ljust(31, b"\0"))
    assert "\r\nSelf adjust flash size.\r\n" in boot(cells(shorter)).text(115200)


def test_2x_without_the_correction_keeps_the_wrong_size(boot: Any, cells: Any, nodemcu_2x: Maker) -> None:
    heard = boot(cells(nodemcu_2x(size_frequency=0x20, adjusts=False)))
    assert heard.text().count("ets Jan") == 1
    assert heard.type("=node.flashsize()") == "1048576\r\n> "


@pytest.mark.parametrize(("garbage", "named"), [(b"\0", "0x00"), (b"\x31", "0x31")])
def test_2x_leaves_wrong_init_data_alone(garbage: bytes, named: str, boot: Any, cells: Any, nodemcu_2x: Maker) -> None:
    flash = cells(nodemcu_2x())
    flash.program(4 * MB - 0x4000, garbage)
    heard = boot(flash, until=4.0)
    assert heard.text().count(f"rf_cal[0] !=0x05,is {named}\r\n") > 2
    assert flash.erased == []


def test_2x_before_2016_12_has_no_init_data_to_write(boot: Any, cells: Any, nodemcu_2x: Maker) -> None:
    heard = boot(cells(nodemcu_2x(init_data=False)), until=4.0)
    assert heard.text().count("rf_cal[0] !=0x05,is 0xFF\r\n") > 2


def test_2x_header_size_inside_the_image(boot: Any, cells: Any, nodemcu_2x: Maker) -> None:
    """512 KB in the header, code beyond 0x7C000: its bytes are taken for init data."""
    heard = boot(cells(nodemcu_2x(size_frequency=0, code=0x70000)), until=4.0)
    assert heard.text().count("rf_cal[0] !=0x05,is 0x11\r\n") > 2


def test_2x_small_flash_gets_small_blocks(boot: Any, cells: Any, nodemcu_2x: Maker) -> None:
    flash = cells(nodemcu_2x(size_frequency=0, code=0x66000), 0x80000)
    heard = boot(flash)
    assert "unable to format" not in heard.text()
    assert int(heard.type("=file.fsinfo()").split("\t")[0]) == ((5 - 2) * 15 + 1) * 251
    full = boot(cells(nodemcu_2x(size_frequency=0, code=0x6A000), 0x80000))
    assert "*** ERROR ***: unable to format. FS might be compromised.\r\nIt is advised to re-flash" in full.text()


def test_erased_parameters_come_back_the_same(boot: Any, cells: Any, nodemcu_2x: Maker) -> None:
    flash = cells(nodemcu_2x())
    boot(flash)
    before = bytes(flash.cells)
    for address in range(4 * MB - 0x5000, 4 * MB, SECTOR):
        flash.erase_sector(address)
    boot(flash)
    assert bytes(flash.cells) == before


# --- others


def other(text: bytes, make_image: Maker, *, size_frequency: int = 0x40, rf_check: bool = True) -> bytes:
    body = b"\0" * 32 + text + b"\0" + (b"rf_cal[0] !=0x05,is 0x%02X\n\0" if rf_check else b"")
    return make_image([(0x40100000, bytes(64))], size_frequency=size_frequency).ljust(0x10000, b"\xff") + body


def test_09x_speaks_9600(boot: Any, cells: Any, make_image: Maker) -> None:
    banner = b"NodeMCU 0.9.6 build 20150704  powered by Lua 5.1.4\n"
    heard = boot(cells(other(banner, make_image, rf_check=False)))
    assert "\r\nNodeMCU 0.9.6 build 20150704  powered by Lua 5.1.4\r\n" in heard.text(9600)
    assert heard.application.baud == 9600
    assert heard.type("=1") == "1\r\n> "


def test_micropython_prompt_only_echoes(boot: Any, cells: Any, make_image: Maker) -> None:
    text = b'MicroPython v1.9.4 on 2018-05-11; ESP module with ESP8266\0Type "help()" for more information.'
    heard = boot(cells(other(text, make_image, rf_check=False)))
    assert heard.text(115200) == (
        '\r\nMicroPython v1.9.4 on 2018-05-11; ESP module with ESP8266\r\nType "help()" for more information.\r\n>>> '
    )
    assert heard.type("1+1") == ">>> "


@pytest.mark.parametrize(("size_code", "runs"), [(4, True), (8, False), (9, False)])
def test_an_old_sdk_finds_no_init_data_beyond_4_mb(
    size_code: int,
    runs: bool,  # noqa: FBT001
    boot: Any,
    cells: Any,
    make_image: Maker,
) -> None:
    text = b"MicroPython v1.9.3 on 2017-11-01; ESP module with ESP8266\x002.0.0(5a875ba)\0" + factory.init_data()
    heard = boot(cells(other(text, make_image, size_frequency=size_code << 4), 16 * MB), until=4.0)
    assert ("MicroPython" in heard.text()) == runs
    assert (heard.text().count("rf_cal[0] !=0x05,is 0x00\r\n") > 2) != runs


@pytest.mark.parametrize(("compiled", "last"), [(2, "ready\r\n"), (4, "system_partition_table_regist fail\r\n")])
def test_at_refuses_a_header_of_another_size(
    compiled: int, last: str, boot: Any, cells: Any, make_image: Maker
) -> None:
    loader = make_image([(0x3FFE8000, b"2nd boot version : 1.6\n\0")], size_frequency=0x20)
    code = b"\r\nready\r\n\0mismatch map %d,spi_size_map %d\n\0".ljust(0x10000, b"\0")
    user = struct.pack("<BBBBIII", 0xEA, 4, 0, 1, 0x40100004, 0, len(code)) + code
    user += make_image([(0x40100000, bytes(64))], size_frequency=compiled << 4)
    heard = boot(cells(loader.ljust(0x1000, b"\xff") + user), until=2.0)
    assert last in heard.text()
    assert ("mismatch map 4,spi_size_map 2\r\n" in heard.text()) == (compiled == 4)


def test_unknown_program_is_silent_after_the_rom(boot: Any, cells: Any, make_image: Maker) -> None:
    heard = boot(cells(other(b"hello", make_image)))
    assert heard.text().endswith("csum 0xef\r\n")
    assert heard.application.wake_at() is None
    assert heard.application.reset_request is None


def test_arduino_first_stage(boot: Any, cells: Any, make_image: Maker) -> None:
    assert boot(cells(make_image([(0x4010F000, bytes(1384))]))).text().endswith("csum 0xef\r\n~ld\r\n")


@pytest.mark.parametrize(
    ("there", "last"), [(True, "jump to run user1 @ 1000\r\n\r\n"), (False, "backup boot failed.\r\n")]
)
def test_second_stage(there: bool, last: str, boot: Any, cells: Any, make_image: Maker) -> None:  # noqa: FBT001
    loader = make_image([(0x3FFE8000, b"2nd boot version : 1.6\n\0")], mode=0, size_frequency=0x4F)
    heard = boot(cells(loader.ljust(0x1000, b"\xff") + (b"\xea\4" if there else b"")))
    lines = heard.text().split("\r\n\r\n")[-2 if there else -1]
    assert "2nd boot version : 1.6\r\n  SPI Speed      : 80MHz\r\n  SPI Mode       : QIO\r\n" in lines
    assert "  SPI Flash Size & Map: 32Mbit(512KB+512KB)\r\n" in lines
    assert heard.text().endswith(last)


def test_lower_program_hides_remains_of_an_older_one(cells: Any, make_image: Maker, nodemcu_2x: Maker) -> None:
    old, new = bytearray(nodemcu_2x(code=0x30000)), other(b"MicroPython v9 on 2030-01-01; x", make_image)
    old[: len(new)] = new
    texts = b"\nNodeMCU custom build by remains\0"
    old[0x20000 : 0x20000 + len(texts)] = texts
    flash = cells(bytes(old))
    assert firmware.identify(flash.read, image.walk(flash.read)).family == "micropython"


def test_record_page_is_erased_only_when_full(cells: Any, boot: Any, nodemcu_3x: Maker) -> None:
    flash = cells(nodemcu_3x())
    heard = boot(flash)
    machine = heard.application._machine
    flash.erased = []
    for count in range(60):
        rcr.write(machine, 6, bytes((count, 0, 0, 0)) * 30)
        assert rcr.write(machine, 6, bytes((count, 0, 0, 0)) * 30) == 0.0
        record = rcr.find(machine, 6)
        assert record is not None
        assert record.data[0] == count
        assert rcr.find(machine, rcr.PARTITIONS) is not None
    assert 0 < len(flash.erased) < 4
    assert "Formatting" not in boot(flash).text()


# --- published images


@pytest.mark.images
@pytest.mark.parametrize(
    ("parts", "logs", "says"),
    [
        (
            ["nodemcu-2.2-cloud-float.bin"],
            2,
            "\r\n powered by Lua 5.1.4 on SDK 2.2.1(cfd48f3)\r\nlua: cannot open init.lua\r\n> ",
        ),
        (
            ["nodemcu-3.0-cloud-float.bin"],
            2,
            "powered by Lua 5.1.4 on SDK 3.0.1-dev(fce080e)\r\ncannot open init.lua: \r\n> ",
        ),
        (
            ["nodemcu-3.0-split/0x00000.bin", "nodemcu-3.0-split/0x10000.bin"],
            2,
            "powered by Lua 5.1.4 on SDK 3.0.1-dev(fce080e)\r\ncannot open init.lua: \r\n> ",
        ),
        (
            ["nodemcu-1.5.4.1-split/0x00000.bin", "nodemcu-1.5.4.1-split/0x10000.bin"],
            2,
            " build 08/01/17 powered by Lua 5.1.4 on SDK 1.5.4.1(39cb9a32)\r\nlua: cannot open init.lua\r\n> ",
        ),
        (
            ["nodemcu-1.5.4.1.bin"],
            2,
            "\r\n powered by Lua 5.1.4 on SDK 1.5.4.1(39cb9a32)\r\nlua: cannot open init.lua\r\n> ",
        ),
    ],
    ids=["2.2", "3.0 old", "3.0 new", "1.5.4.1 split", "1.5.4.1"],
)
def test_published_nodemcu_reaches_its_prompt(  # noqa: PLR0917 - three values, three fixtures
    parts: list[str], logs: int, says: str, real_image: Callable[[str], bytes], boot: Any, cells: Any
) -> None:
    first, *rest = [real_image(name) for name in parts]
    whole = first.ljust(0x10000, b"\xff") + rest[0] if rest else first
    flash = cells(whole)
    heard = boot(flash)
    assert heard.text().count("ets Jan") == logs
    assert heard.text(115200).endswith(says)
    again = boot(flash)
    assert again.text().count("ets Jan") == 1
    assert "Formatting" not in again.text()
    assert again.text(115200).endswith(says)
    differing = {at // SECTOR for at in range(len(whole)) if flash.cells[at] != whole[at]}
    assert differing <= {0x0, 0xB, 0xC, 0xD, 0xE, 0xF, 0x10}
    if 0 in differing:  # only the size nibble
        assert [at for at in range(SECTOR) if flash.cells[at] != whole[at]] == [3]


@pytest.mark.images
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("micropython-1.9.3.bin", "MicroPython v1.9.3-8-g63826ac5c on 2017-11-01; ESP module with ESP8266"),
        ("micropython-1.9.4.bin", "MicroPython v1.9.4-8-ga9a3caad0 on 2018-05-11; ESP module with ESP8266"),
        ("micropython-1.10.0.bin", "MicroPython v1.10-8-g8b7039d7d on 2019-01-26; ESP module with ESP8266"),
        ("micropython+blinka-0.0.0.bin", "MicroPython v1.9.4-dirty on 2018-06-04; ESP module with ESP8266"),
        ("circuitpython-2.3.1.bin", "Adafruit CircuitPython 2.3.1 on 2018-05-07; ESP module with ESP8266"),
        (
            "circuitpython-3.0.0-beta.1.bin",
            "Adafruit CircuitPython 3.0.0-beta.1 on 2018-06-11; ESP module with ESP8266",
        ),
    ],
)
def test_published_pythons(name: str, says: str, real_image: Callable[[str], bytes], boot: Any, cells: Any) -> None:
    whole = bytearray(real_image(name))
    whole[3] = 0x40
    heard = boot(cells(bytes(whole)))
    assert f"\r\n{says}\r\n" in heard.text(115200)
    assert heard.text().endswith(">>> ")


@pytest.mark.images
@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("espruino-1v99.bin", "jump to run user1 @ 1000\r\n\r\n"),
        ("esp8266basic-3.0alpha.bin", "~ld\r\n"),
        ("punyforth-0.5.bin", "csum 0x0b\r\n"),
    ],
)
def test_published_others_say_no_more_than_is_known(
    name: str, last: str, real_image: Callable[[str], bytes], boot: Any, cells: Any
) -> None:
    heard = boot(cells(real_image(name)))
    assert heard.text().endswith(last)
    assert heard.application.wake_at() is None


def test_factory_flash_is_no_nodemcu(cells: Any) -> None:
    flash = cells(factory.factory_contents(MB), MB)
    assert firmware.identify(flash.read, image.walk(flash.read)).family == "at"
