"""What is said to whoever has named no firmware: what lies about here, or the ways to get some."""

from __future__ import annotations

import shlex
from typing import Final

from flashpipe.errors import NoImageError
from flashpipe.jobs.request import CommandLine

NO_IMAGE: Final = """ways to get one:
  - nodemcu-build.com builds one in the cloud with the modules you choose, and mails you the link
  - Docker: docker run --rm -v "$PWD":/opt/nodemcu-firmware marcelstoer/nodemcu-build build
  - your own source tree: make, then the files are in bin/ (0x00000.bin and 0x10000.bin)
  - any .bin for ESP8266 that you have
  then: {command} image=FILE   (a split pair: image=0x00000:FILE,0x10000:FILE)"""
_FEW: Final = 4  # files of the folder that a message lists


def no_image(line: CommandLine) -> NoImageError:
    """The refusal of a profile without firmware."""
    name, folder = line.profile_name, line.caller
    command = f"flashpipe flash profile={name}"
    here = sorted(path.name for path in folder.glob("*.bin"))[:_FEW] if folder.is_dir() else []
    advice = f"{command} image={shlex.quote(here[0])}" if here else NO_IMAGE.format(command=command)
    if len(here) > 1:
        advice = f"{command} image=FILE; here are {', '.join(here)}"
    return NoImageError(f"profile {name} names no image", advice)
