"""The wire: ports, loaders, sessions and what a board says. Knows no YAML and no doit."""
