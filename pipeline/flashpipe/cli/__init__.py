"""The command `flashpipe`: its own commands, its help; every other word is a task."""
