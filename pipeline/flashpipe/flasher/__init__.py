"""The runs: probe, flash, erase, verify, boot. The order of things and nothing else; each takes an open session."""
