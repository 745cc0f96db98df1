"""The lx106 core of the virtual board: one contract, a core in pure Python and one in C, equal bit for bit.

`contract` says what a core is, `decode` reads instructions, `python_core` executes them.
"""
