"""Boards for other machines: a host that serves its own."""
