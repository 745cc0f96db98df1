"""Is the board on the port the board that the profile describes?"""

from __future__ import annotations

from pipeline.board.session import Device
from pipeline.errors import FlashSizeError, FlashUnknownError, WrongBoardError, WrongChipError
from pipeline.flash import SIZE_BYTES, SIZE_CODES
from pipeline.flasher.records import Policy
from pipeline.plan import FlashPlan, with_real_size
from pipeline.units import format_size


def check_mac(device: Device, policy: Policy) -> None:
    """Raises WrongBoardError unless the profile's `boards` admit this MAC."""
    if policy.boards and device.mac not in policy.boards:
        raise WrongBoardError(
            f"{device.port}: board {device.mac} is not one of this profile's: {', '.join(policy.boards)}",
            "plug in the right board, or add this MAC to `boards:`",
        )


def check_board(plan: FlashPlan, device: Device, policy: Policy) -> FlashPlan:
    """The plan for exactly this board.

    Raises:
        WrongBoardError: its MAC is not among the profile's `boards`.
        WrongChipError: an ESP8285 where an ESP8266 is declared, or the other way round.
        FlashSizeError: profile and chip disagree about the flash size.
        FlashUnknownError: nobody knows the size of this flash part.
    """
    check_mac(device, policy)
    if device.family != plan.chip and WrongChipError.code not in policy.allow:
        raise WrongChipError(
            f"{device.port}: this is an {device.chip} ({device.family}), profile {plan.profile} is for {plan.chip}",
            _advice(policy, device) or "take a profile for this chip",
        )
    if device.flash_size is None:
        if plan.size_from_board or FlashUnknownError.code not in policy.allow:
            raise FlashUnknownError(
                f"{device.port}: flash ID {device.flash_id:#08x} is of no known size",
                "name the real size in `flash.size` and say allow=flash-unknown",
            )
        return plan
    if plan.size_from_board:
        return with_real_size(plan, device.flash_size)
    if device.flash_size != plan.settings.capacity and FlashSizeError.code not in policy.allow:
        raise FlashSizeError(
            f"{device.port}: profile {plan.profile} says {plan.settings.size},"
            f" the image header {plan.declared_size or 'nothing'},"
            f" the flash chip {format_size(device.flash_size)} ({device.flash_part})",
            _advice(policy, device) or "or `flash: {size: auto}` in your own profile",
        )
    return plan


def _advice(policy: Policy, device: Device) -> str:
    fitting = policy.fitting(device)
    return f"take a profile that fits: {fitting}" if fitting else ""


def fits(flash_size: str, chip: str, device: Device) -> bool:
    """Whether a profile of `flash_size` (or `auto`) and `chip` fits a device."""
    known = flash_size in SIZE_CODES and device.flash_size == SIZE_BYTES[flash_size]
    return chip == device.family and (flash_size == "auto" or known)
