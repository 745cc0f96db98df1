"""Firmware bytes: formats, flash maps, which firmware they are, and the gate. Knows no board and no doit."""
