"""Profiles: from YAML to what a board is and should contain, or to all mistakes at once."""
