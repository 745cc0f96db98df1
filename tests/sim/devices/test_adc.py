from __future__ import annotations

from tests.sim.executed import Bench


def as_the_sdk_reads(bench: Bench) -> int:
    """system_adc_read: twelve elevenths of the average of eight inverted samples, each corrected.

    (pvvx, info/libs/phy/sar_read_fast.c; code of the SDK in NodeMCU 1.5.4.1.)
    """
    total = 0
    for index in range(8):
        word = ~bench.devices.bus.read(0x60000D80 + 4 * index, 4) & 0xFFFFFFFF
        part = (word & 0xFF) - 21
        total += (word & 0x700) + (part * 279 >> 8 if part > 0 else 0)
    return min((total + 8 >> 4) * 12 // 11, 1024)


def test_the_program_measures_what_was_set() -> None:
    """All but the values that twelve elevenths of a whole number never are."""
    bench = Bench()
    for value in range(1025):
        bench.devices.adc.value = value
        assert as_the_sdk_reads(bench) == value + (value % 12 == 11)


def test_the_value_changes_while_it_runs() -> None:
    bench = Bench()
    assert as_the_sdk_reads(bench) <= 1
    bench.devices.adc.value = 400
    assert abs(as_the_sdk_reads(bench) - 400) <= 1


def test_the_converter_is_never_busy() -> None:
    bench = Bench()
    bench.devices.bus.write(0x60000D50, 4, 0x07000002)
    assert bench.devices.bus.read(0x60000D50, 4) >> 24 & 7 == 0
