"""A fresh module: bootable, with init data and parameters where they belong, everything else blank."""

from __future__ import annotations

from typing import Any

import pytest
from flashpipe.errors import BadValueError
from flashpipe.sim.chip import factory, image

SIZES = sorted(set(image.SIZES.values()))


@pytest.mark.parametrize("size", SIZES)
def test_factory_flash_boots_and_greets(size: int, boot: Any, cells: Any) -> None:
    heard = boot(cells(factory.factory_contents(size), size))
    assert heard.text(115200) == "\r\nready\r\n"
    assert "SDK ver: 1.5.4(baaeaebb) compiled @ May 18 2016" in heard.text(74880)
    assert heard.type("AT") == "\r\nOK\r\n"
    assert heard.type("AT+GMR") == "\r\nERROR\r\n"


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
