"""What ails a board, told from what real firmware says of it: executed, on flash that is wrong in one way."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest
from flashpipe.board.boot.kinds import HEALTHY, Verdict
from flashpipe.board.boot.watch import boot_check
from flashpipe.board.diagnosis.evidence import of_boot
from flashpipe.board.diagnosis.judge import judge
from flashpipe.board.session.session import Session
from flashpipe.sim.simulation import build_flash

SIZE: Final = 4 * 1024 * 1024
SECTOR: Final = 0x1000
IROM: Final = 0x10000
PARAMETERS: Final = SIZE - 4 * SECTOR
Spoil = Callable[[bytearray, int], None]
Check = Callable[[Path, Spoil], Verdict]


def nothing(_flash: bytearray, _length: int) -> None:
    """As it shall be."""


def cut(flash: bytearray, length: int) -> None:
    half = length // 2 // SECTOR * SECTOR
    flash[half:length] = b"\xff" * (length - half)


def first_irom_sector_blank(flash: bytearray, _length: int) -> None:
    flash[IROM : IROM + SECTOR] = b"\xff" * SECTOR


def irom_sector_damaged(flash: bytearray, _length: int) -> None:
    flash[0x20000 : 0x20000 + SECTOR] = bytes((at * 73 + 5) & 0xFF for at in range(SECTOR))


def garbage_in_parameters(flash: bytearray, _length: int) -> None:
    flash[PARAMETERS:] = bytes((at * 91 + 17) & 0xFF for at in range(4 * SECTOR))


def header_says_512_kb(flash: bytearray, _length: int) -> None:
    flash[3] &= 0x0F


def header_says_1_mb(flash: bytearray, _length: int) -> None:
    flash[3] = flash[3] & 0x0F | 0x20


def no_init_data(flash: bytearray, _length: int) -> None:
    flash[PARAMETERS:] = b"\xff" * 4 * SECTOR


def partition_table_damaged(flash: bytearray, _length: int) -> None:
    flash[IROM : IROM + 64] = bytes((at * 37 + 3) & 0xFF for at in range(64))


def one_sector_too_far(flash: bytearray, length: int) -> None:
    flash[SECTOR : length + SECTOR] = flash[:length]
    flash[:SECTOR] = b"\xff" * SECTOR


def irom_one_sector_too_far(flash: bytearray, length: int) -> None:
    flash[IROM + SECTOR : length + SECTOR] = flash[IROM:length]
    flash[IROM : IROM + SECTOR] = b"\xff" * SECTOR


def nothing_but_noise_in_the_last_sectors(flash: bytearray, _length: int) -> None:
    flash[-3 * SECTOR :] = random.Random(3).randbytes(3 * SECTOR)  # behind the init data


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Boot an image from a flash that was spoilt, for the first time; the verdict."""

    def run(image: Path, spoil: Spoil) -> Verdict:
        data, cells = image.read_bytes(), tmp_path / "cells"
        flash = bytearray(build_flash({0: data}, SIZE))
        spoil(flash, len(data))
        cells.write_bytes(flash)
        with closing(Session(f"sim://esp12?inline=1&flash={cells}&start=rom")) as session:
            return boot_check(session, timeout_s=60.0, patient=True)

    return run


def cause(verdict: Verdict) -> str:
    """The rule that names the cause; empty where all is well."""
    return "" if verdict.kind in HEALTHY else judge(of_boot(verdict, verified=True)).rule


@pytest.mark.parametrize(("spoil", "kind", "rule"), [
    (nothing, "prompt", ""),
    (no_init_data, "prompt", ""),  # it writes them itself
    (first_irom_sector_blank, "prompt", ""),  # nothing of it is needed
    (header_says_1_mb, "prompt", ""),
    (cut, "boot-loop", "restart-loop"),
    (irom_sector_damaged, "exception", "firmware-crashes"),
    (garbage_in_parameters, "rf-cal", "init-data"),
    (one_sector_too_far, "no-image", "read-wrong-at-boot"),
    (irom_one_sector_too_far, "alive", ""),
])  # fmt: skip
def test_a_nodemcu_of_1x(firmware: Path, check: Check, spoil: Spoil, kind: str, rule: str) -> None:
    verdict = check(firmware, spoil)
    assert (verdict.kind, cause(verdict)) == (kind, rule), verdict.log


@pytest.mark.images
@pytest.mark.parametrize(("image", "spoil", "kind", "rule"), [
    ("2.2", nothing, "prompt", ""),
    ("2.2", cut, "exception", "crash-at-start"),
    ("2.2", garbage_in_parameters, "rf-cal", "init-data"),
    ("2.2", first_irom_sector_blank, "alive", ""),
    ("2.2", nothing_but_noise_in_the_last_sectors, "boot-loop", "system-params"),
    ("3.0", nothing, "prompt", ""),
    ("3.0", cut, "exception", "crash-at-start"),
    ("3.0", header_says_512_kb, "wrong-size", "layout-refused"),
    ("3.0", garbage_in_parameters, "system-params", "system-params"),
    ("3.0", first_irom_sector_blank, "rf-cal", "partitions-unread"),
    ("3.0", partition_table_damaged, "rf-cal", "partitions-unread"),
])  # fmt: skip
def test_newer_nodemcus(real_images: Path, check: Check, image: str, *, spoil: Spoil, kind: str, rule: str) -> None:
    verdict = check(real_images / f"nodemcu-{image}-cloud-float.bin", spoil)
    assert (verdict.kind, cause(verdict)) == (kind, rule), verdict.log
