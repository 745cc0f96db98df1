"""What profile and command line say about a run, beside its plan."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path

from flashpipe.board.loader.device import Device
from flashpipe.errors import AcceptanceCommandError
from flashpipe.files import expanded, is_there, sayable
from flashpipe.flasher.fitting_profiles import fitting_profiles
from flashpipe.flasher.jig_model import NOT_STARTED, Jig
from flashpipe.flasher.model import BootExpectation, Policy
from flashpipe.jobs.inputs import RunInputs
from flashpipe.jobs.lua_files import Compile, uncompiled
from flashpipe.jobs.lua_policy import lua_policy
from flashpipe.jobs.own_files import require_own_command, require_own_files
from flashpipe.jobs.request import BOOT_OFF, BOOT_ON
from flashpipe.profile.load import usable_profiles


def run_policy(inputs: RunInputs, compiling: Compile | None = None) -> Policy:
    """The policy of a run with a profile; `compiling` in place of what was compiled for it.

    Raises:
        PipelineError: a bad profile or variable.
    """
    command, profile = inputs.command, inputs.profile()
    for name in ("locked", "offline"):  # used where images are loaded; the values must be readable anywhere
        command.variables.flag(name)
    return Policy(
        boards=profile.boards,
        boot=boot_expectation(inputs),
        force=command.variables.flag("force"),
        trust_journal=command.variables.choice("check") == "mac",
        agreed=command.variables.flag("yes"),
        lua=lua_policy(profile, command.project, compiling or inputs.compiled, inputs.unit, command.caller),
        read_back=profile.verify == "read-back",
        allow=inputs.allowed(),
        keep=profile.keep,
        insists=profile.keep_stated,
        jig=_jig(inputs, started=compiling is None),
        init_data=inputs.init_data(),
        project=str(command.project),
        backups=command.backups_folder,
        mode_retry=profile.mode_retry,
        rollback=profile.rollback,
        fitting=partial(_fitting, inputs),
    )


def _jig(inputs: RunInputs, *, started: bool) -> Jig | None:
    """The program that tests the board, and the limits; None where the profile names none.

    Raises:
        NotTrustedError: others could have said what is run.
        AcceptanceCommandError: it shall be `started`, and cannot be.
    """
    profile = inputs.profile()
    demands = profile.acceptance
    if not demands.command and not demands.limits:
        return None
    words = _words(demands.command, demands.folder)
    if words:
        require_own_files(inputs.command.project, *profile.lineage)
        require_own_command(inputs.command.project, words, demands.folder)
    limits = {name: (least, most) for name, least, most in demands.limits}
    jig = Jig(words, demands.folder, demands.timeout_s, limits, inputs.unit)
    problem = jig.problem() if started else ""
    if problem:
        raise AcceptanceCommandError(f"profile {profile.name}: acceptance.command: {problem}", NOT_STARTED)
    return jig


def _words(command: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    """Program and words of a command, also where it was written as one text."""
    command = tuple(map(sayable, command))
    if len(command) != 1 or is_there(folder / expanded(command[0])):
        return command
    try:
        return tuple(shlex.split(command[0]))
    except ValueError:  # a quote that does not end: there is no such program, which is said where it is started
        return command


def _fitting(inputs: RunInputs, device: Device) -> str:
    return ", ".join(fitting_profiles(usable_profiles(inputs.command.project), device))


def board_policy(inputs: RunInputs) -> Policy:
    """As `run_policy`, for tasks that also work on a bare port: without a profile any board will do.

    Raises:
        PipelineError: a bad profile or variable.
    """
    command = inputs.command
    if command.profile_name:
        return run_policy(inputs, uncompiled)  # no file is sent: none has to be compiled for a backup
    return Policy(boot=boot_expectation(inputs), project=str(command.project), backups=command.backups_folder)


def boot_expectation(inputs: RunInputs) -> BootExpectation:
    """What counts as a good boot.

    Raises:
        PipelineError: a bad profile or variable.
    """
    profile = inputs.named_profile()
    if profile:
        return BootExpectation(profile.boot.check, profile.boot.expect, profile.boot.timeout_s)
    text = inputs.command.variables.text("boot", "auto")
    return BootExpectation(check=text.casefold() not in BOOT_OFF, expect="auto" if text.casefold() in BOOT_ON else text)
