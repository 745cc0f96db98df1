"""What each key of a profile does, and its default: the words of `flashpipe help keys` and of the documentation.

What a key takes stands in `keys.WANT`, in the words of the messages.
"""

from __future__ import annotations

from typing import Final

KEY_TEXTS: Final = {
    "extends": "the profile whose values this one starts from",
    "about": "what the board is, for lists",
    "chip": "which of the two chips (esp8266)",
    "flash.size": "size of the flash; `auto` is the size found on the board",
    "flash.mode": "how the chip reads its flash; dout works with every flash part",
    "flash.frequency": "how fast the chip reads its flash (40m)",
    "gpio9_10": "`free` if your circuit uses GPIO9 and GPIO10: then qio and qout are refused (flash)",
    "serial.port": "where the board is; `auto` is the port remembered for this profile, else the only one (auto)",
    "serial.port.usb": "the USB id of the adapter",
    "serial.port.serial": "the serial number of the adapter",
    "serial.port.location": "the USB socket",
    "serial.baud": "rate of the write phase (460800); auto: the fastest that adapter, cable and board carry",
    "serial.reset": "how the board gets into download mode; `manual`: a person presses (auto)",
    "firmware.image": "where the image comes from",
    "firmware.split": "the same for firmware in several files: address to source",
    "firmware.build.command": "a command that makes the image; a text is for your shell, a list is run as it is",
    "firmware.build.folder": "where it is run (the folder of the profile)",
    "firmware.build.outputs": "what it makes, in that folder",
    "firmware.build.inputs": "run it only if one of these files changed (it is always run)",
    "firmware.elf": "names function and line where the firmware crashes",
    "firmware.lfs": "image of the Lua flash store, written where the firmware looks for it",
    "firmware.spiffs": "image of the file system, likewise",
    "firmware.lfs.lua": "Lua files that the image is compiled from, each a module by its name",
    "firmware.lfs.luac": "what compiles them, and `files` with `compile: true`; `auto`: the luac.cross beside build,"
    " image or profile (auto)",
    "firmware.spiffs.folder": "files that the image is made of; folders within are part of their names",
    "firmware.spiffs.size": "how large the file system is; `auto`: all the room that the firmware has for it (auto)",
    "firmware.spiffs.spiffsimg": "what makes it; `auto`: the spiffsimg of the build tree if it has one, else flashpipe"
    " (auto)",
    "lock": "whether images.lock.yaml pins local files and build outputs too (false)",
    "init_data": "the SDK's 128 bytes of radio settings (auto: looked at, and cured where the firmware does not)",
    "init_data.source": "where they come from, beside the bytes below (auto)",
    "init_data.vdd33": "sets byte 107: what the ADC measures",
    "init_data.crystal": "sets byte 48: the crystal of the board",
    "init_data.bytes": "sets any other byte",
    "erase": "`all`: erase the whole flash before writing; nothing is kept then (as-needed)",
    "keep": "what must not be lost (all four, where the layout allows); losing what you name is refused",
    "verify": "`read-back`: read every byte back instead of asking the board for digests (md5)",
    "boot": "whether and how the boot is judged after a flash (auto)",
    "boot.expect": "what counts as a good boot (auto: nodemcu if the image is NodeMCU, else any)",
    "boot.timeout": "how long to wait for it (60s)",
    "mode_retry": "where the board does not start: try dio, then dout, header only, and say which one starts (false)",
    "rollback": "keep what the board holds, and put it back if the new firmware does not boot (false)",
    "boards": "the only boards that may be written, by MAC (any)",
    "acceptance.version": "the version that the running firmware must say it is",
    "acceptance.modules": "modules that it must have",
    "acceptance.float": "true: numbers with fractions; false: an integer build",
    "acceptance.lfs": "size that its LFS must have at least",
    "acceptance.flash_size": "flash size by the header that the firmware believes, and by the chip",
    "acceptance.run": "a Lua file that is run and decides, too",
    "acceptance.prints": "what it must print",
    "acceptance.timeout": "how long it may take (10s)",
    "acceptance.command": "a program that tests the board; its exit status decides, the JSON that it prints is kept",
    "acceptance.limits": "least and most of what it measures, or of named groups of `prints`",
    "files": "Lua files for the board, sent after a good boot, each only if it differs; a name that ends in / gets all"
    " that its pattern or folder means, a `template` has places for values, `compile: true` sends a .lc",
    "files_mirror": "remove what else is on the board, once that was agreed to and fetched into the backups (false)",
    "files_mirror_except": "names that stay all the same",
    "values": "what templates find behind @NAME@; nearer profiles win name by name",
}
"""Dotted key to its meaning, its default in brackets at the end."""
