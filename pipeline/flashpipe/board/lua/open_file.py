"""A file that is open on a board, in Lua: an object from 2.x on; 0.9.x and 1.x have one at most, called `true`."""

from __future__ import annotations


def close(variable: str) -> str:
    """Lua that closes the file in a variable, by its object where it is one.

    `file.close()` alone would close what another program of the board has open; and executed 1.5.4.1 restarts at it
    while a timer object of that program runs.

    >>> close("f")
    'if type(f)=="userdata"then f:close()else file.close()end'
    """
    return f'if type({variable})=="userdata"then {variable}:close()else file.close()end'
