"""Is the board on the port the board that the profile describes?"""

from __future__ import annotations

from dataclasses import replace

from flashpipe.board.loader.chips import describe_flash
from flashpipe.board.loader.device import Device
from flashpipe.errors import FlashModeError, FlashSizeError, FlashUnknownError, WrongBoardError, WrongChipError
from flashpipe.firmware.image import check_mode
from flashpipe.firmware.overrides import Override, Overrides
from flashpipe.flash import ANY_CHIP
from flashpipe.flasher.model import Policy
from flashpipe.next_steps import Advice, setting
from flashpipe.plan.make import with_real_size
from flashpipe.plan.model import FlashPlan
from flashpipe.units import format_size


def check_mac(device: Device, policy: Policy) -> tuple[Override, ...]:
    """Raises WrongBoardError unless the profile's `boards` admit this MAC; gives what `allow` overrode."""
    allow = Overrides(policy.allow)
    if policy.boards and device.mac not in policy.boards:
        allow.judge(
            WrongBoardError(
                f"{device.port}: board {device.mac} is not one of this profile's: {', '.join(policy.boards)}",
                "plug in the right board, or add this MAC to `boards:`",
            )
        )
    return tuple(allow.used)


def check_board(plan: FlashPlan, device: Device, policy: Policy) -> FlashPlan:
    """The plan for exactly this board, with what `allow` overrode.

    Raises:
        WrongBoardError: its MAC is not among the profile's `boards`.
        WrongChipError: an ESP8285 where an ESP8266 is declared, or the other way round.
        FlashSizeError: profile and chip disagree about the flash size.
        FlashUnknownError: nobody knows the size of this flash part.
        FlashModeError: the chip or its flash part cannot do the plan's mode.
    """
    allow = Overrides(policy.allow, [*plan.overridden, *check_mac(device, policy)])
    if plan.chip == ANY_CHIP:
        plan = _for_chip(plan, device)
    if device.family != plan.chip:
        allow.judge(
            WrongChipError(
                f"{device.port}: this is an {device.chip} ({device.family}), profile {plan.profile} is for {plan.chip}",
                _advice(policy, device) or "take a profile for this chip",
            )
        )
    with allow.over():
        _check_mode(plan.settings.mode, device)
    if device.flash_size is not None and plan.size_from_board:
        plan = with_real_size(plan, device.flash_size, allow)
    else:
        _check_size(plan, device, policy, allow)
    return replace(plan, overridden=tuple(allow.used))


def _for_chip(plan: FlashPlan, device: Device) -> FlashPlan:
    """The plan of a run without a profile, for the chip that is there."""
    mode = "dout" if device.family == "esp8285" else plan.settings.mode  # facts: esp8266 §1.2
    return replace(plan, chip=device.family, settings=replace(plan.settings, mode=mode))


def _check_mode(mode: str, device: Device) -> None:
    if device.family == "esp8285":
        check_mode(mode, chip=device.family)
    if mode.startswith("q") and describe_flash(device.flash_id).quad is False:
        raise FlashModeError(
            f"{device.port}: mode {mode} needs quad commands, and the flash part {device.flash_part} has none",
            Advice(setting(mode="dio"), ", or ", setting(mode="dout"), " where that does not start either"),
        )


def _check_size(plan: FlashPlan, device: Device, policy: Policy, allow: Overrides) -> None:
    if device.flash_size is None:
        unknown = FlashUnknownError(
            f"{device.port}: flash ID {device.flash_id:#08x} is of no known size",
            Advice("name the real size in `flash.size` and say ", setting(allow="flash-unknown")),
        )
        if plan.size_from_board:
            raise unknown
        allow.judge(unknown)
    elif device.flash_size != plan.settings.capacity:
        allow.judge(
            FlashSizeError(
                f"{device.port}: profile {plan.profile} says {plan.settings.size},"
                f" the image header {plan.declared_size or 'nothing'},"
                f" the flash chip {format_size(device.flash_size)} ({device.flash_part})",
                _advice(policy, device) or "or `flash: {size: auto}` in your own profile",
            )
        )


def _advice(policy: Policy, device: Device) -> str:
    fitting = policy.fitting(device)
    return f"take a profile that fits: {fitting}" if fitting else ""
