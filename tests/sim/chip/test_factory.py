"""A fresh module: bootable, with init data and parameters where they belong, everything else blank."""

from __future__ import annotations

import pytest
from flashpipe.errors import BadValueError
from flashpipe.sim.chip import factory, image

from tests.program import greeter
from tests.sim.executed import Booted

SIZES = sorted(set(image.SIZES.values()))


def test_its_code_is_that_of_the_listing() -> None:
    ready, okay, error = (
        factory._TEXTS_AT + factory._TEXTS.index(text) for text in (b"\r\nready", b"\r\nOK", b"\r\nERR")
    )
    assert greeter(ready, {b"AT": okay, b"ATE1": okay}, error) == (factory._CODE, factory._ENTRY)


@pytest.mark.parametrize("size", SIZES)
def test_factory_flash_boots_and_greets(size: int) -> None:
    booted = Booted(factory.factory_contents(size))
    assert booted.until("ready\n").text.endswith("\n\nready\n")
    assert booted.until("OK\n", "AT\r\n").text.endswith("AT\n\nOK\n")
    assert booted.until("OK\n", "ATE1\r\n").reason == "until"
    assert booted.until("ERROR\n", "AT+GMR\r\n").text.endswith("AT+GMR\n\nERROR\n")
    assert booted.machine.devices.uarts[0].baud == pytest.approx(115200, rel=0.01)


@pytest.mark.parametrize("size", SIZES)
def test_places_of_init_data_and_parameters(size: int) -> None:
    flash = factory.factory_contents(size)
    assert len(flash) == size
    assert flash[size - 0x4000 :][:16].hex() == "05000402050505020500040505040505"
    assert flash[size - 0x3000] != 0xFF
    used = len(factory.at_image(size))
    assert set(flash[used : size - 0x4000]) == {0xFF}
    assert set(flash[size - 0x2000 :]) == {0xFF}


def test_init_data_has_the_known_bytes() -> None:
    data = factory.init_data()
    assert len(data) == 128
    assert (data[0x40:0x42].hex(), data[0x4A:0x4D].hex(), data[0x72]) == ("e10a", "019343", 1)
    assert data[0x6B] == 0  # ADC pin mode


def test_every_wiring_can_run_it() -> None:
    assert image.Header.parse(factory.at_image(0x100000)).mode == 3


def test_unheard_size_is_refused() -> None:
    with pytest.raises(BadValueError, match="12345"):
        factory.factory_contents(12345)
