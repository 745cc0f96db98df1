"""The mask ROM as host functions: what the program calls at 0x40000000 to 0x4000FFFF, one module per subject.

No code of the ROM is here or needed. Names and addresses are public (`eagle.rom.addr.v6.ld` of Espressif's SDKs and of
esp8266/Arduino); what the functions do is known from their C standard or SDK documentation, or from the open
re-implementations that each module names. Functions that have to call the program back do it by continuation: all that
they need afterwards lies on the program's own stack, so that the board can be copied at any stop.
"""
