"""A NodeMCU's console: what it is, its files, running Lua on it."""
