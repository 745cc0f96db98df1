"""The virtual board: a simulated ESP8266 to flash and boot without hardware.

Written from the chip's documented behaviour, never from the host side of this project: agreement between independent
halves is evidence. Two halves of its own: the wire (SLIP, ROM loader, stub, NOR, transports) and the program (`boot`:
what a chip prints and does after reset, predicted from its flash; no firmware code is ever executed).
"""
