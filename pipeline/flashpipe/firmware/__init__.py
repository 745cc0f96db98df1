"""Firmware bytes and where they come from: formats, sources, flash maps. Knows no board and no doit."""
