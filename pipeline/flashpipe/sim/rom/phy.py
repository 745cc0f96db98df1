"""The ROM's part of the PHY: the bus to the analog registers, and functions that set up a radio which is not there.

`phy_get_romfuncs` gives a table of function addresses that the SDK's PHY patches and calls through; its layout is that
of pvvx's include/bios/rom_phy.h. The four I2C functions keep register values; the others return 0, as on published
images they may (shared emulator notes: 35 of them are called, and all 76 images start).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from flashpipe.sim.rom.guest import Guest
from flashpipe.sim.rom.names import NAMES
from flashpipe.sim.rom.table import rom

TABLE_POINTER: Final = 0x3FFFC730
TABLE: Final = 0x3FFFC734
_BY_NAME: Final = {name: address for address, name in NAMES.items()}
_ORDER: Final = (
    "abs_temp chip_v5_disable_cca chip_v5_enable_cca chip_v5_sense_backoff dc_iq_est - en_pwdet get_bb_atten"
    " get_corr_power get_fm_sar_dout get_noisefloor get_power_db iq_est_disable iq_est_enable linear_to_db set_txclk_en"
    " set_rxclk_en mhz2ieee rxiq_get_mis sar_init set_ana_inf_tx_scale set_loopback_gain set_noise_floor - -"
    " start_noisefloor start_tx_tone stop_tx_tone txtone_linear_pwr tx_mac_disable tx_mac_enable ana_inf_gating_en"
    " set_channel_freq chip_50_set_channel chip_v5_rx_init chip_v5_tx_init i2c_readReg i2c_readReg_Mask i2c_writeReg"
    " i2c_writeReg_Mask pbus_debugmode pbus_enter_debugmode pbus_exit_debugmode pbus_force_test pbus_rd pbus_set_rxgain"
    " pbus_set_txgain pbus_workmode pbus_xpd_rx_off pbus_xpd_rx_on pbus_xpd_tx_off pbus_xpd_tx_on"
    " pbus_xpd_tx_on__low_gain phy_reset_req restart_cal rfpll_reset write_rfpll_sdm rfpll_set_freq cal_tos_v50"
    " pbus_dco___SA2 rfcal_pwrctrl rfcal_rxiq rfcal_rxiq_set_reg rfcal_txcap rfcal_txiq rfcal_txiq_cover"
    " rfcal_txiq_set_reg rxiq_cover_mg_mp set_txbb_atten set_txiq_cal"
)
_ONE_MHZ_CHANNELS: Final = 5


def table() -> bytes:
    """The table as the ROM initialises it, 0 for the unused entries."""
    return b"".join(_BY_NAME.get(f"rom_{name}", 0).to_bytes(4, "little") for name in _ORDER.split())


@rom("phy_get_romfuncs", 0x40006B08)
def get_functions(_guest: Guest) -> int:
    """Address of the table."""
    return TABLE


@rom("rom_i2c_readReg", 0x40007268, 40)
def i2c_read(guest: Guest, block: int, _host: int, register: int) -> int:
    """An analog register."""
    return guest.devices.analog.read(block, register)


@rom("rom_i2c_readReg_Mask", 0x4000729C, 40)
def i2c_read_bits(guest: Guest, block: int, _host: int, register: int, high: int, low: int) -> int:
    """Bits of an analog register."""
    width = (high - low & 7) + 1
    return guest.devices.analog.read(block, register) >> (low & 7) & (1 << width) - 1


@rom("rom_i2c_writeReg", 0x400072D8, 40)
def i2c_write(guest: Guest, block: int, _host: int, register: int, value: int) -> None:
    """Set an analog register."""
    guest.devices.analog.write(block, register, value)


@rom("rom_i2c_writeReg_Mask", 0x4000730C, 40)
def i2c_write_bits(  # noqa: PLR0917  the ROM's own arguments
    guest: Guest, block: int, _host: int, register: int, high: int, low: int, value: int
) -> None:
    """Set bits of an analog register."""
    mask = (1 << (high - low & 7) + 1) - 1 << (low & 7)
    before = guest.devices.analog.read(block, register)
    guest.devices.analog.write(block, register, before & ~mask | value << (low & 7) & mask)


@rom("rom_txtone_linear_pwr", 0x40006A1C)
def tone_power(_guest: Guest, _attenuation: int, _count: int) -> int:
    """Power of a test tone: the same whatever is tried, so that a calibration finds both branches balanced.

    Not 0: SDK 0.9.2 and older divide by the sum of two measurements.
    """
    return 0x100


@rom("rom_mhz2ieee", 0x400065A4)
def channel_of(_guest: Guest, mhz: int) -> int:
    """Number of a 2.4 GHz channel (IEEE 802.11: 2407 MHz + 5 n, channel 14 at 2484)."""
    return 14 if mhz == 2484 else (mhz - 2407) // _ONE_MHZ_CHANNELS  # noqa: PLR2004  channel 14 is no part of the grid


@rom("rom_abs_temp", 0x400060C0)
def absolute(_guest: Guest, value: int) -> int:
    """Absolute value."""
    return -value if value >> 31 else value


def _silent(name: str) -> Callable[[Guest], int]:
    def silent(guest: Guest) -> int:  # noqa: ARG001  the form of a ROM function
        return 0

    silent.__doc__ = f"{name}: nothing to calibrate."
    return silent


_DONE: Final = {
    "rom_i2c_readReg", "rom_i2c_readReg_Mask", "rom_i2c_writeReg", "rom_i2c_writeReg_Mask", "rom_mhz2ieee",
    "rom_abs_temp", "rom_txtone_linear_pwr",
}  # fmt: skip
for _address, _name in NAMES.items():
    if _name.startswith("rom_") and _name not in _DONE:
        rom(_name, _address)(_silent(_name))
