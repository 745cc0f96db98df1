"""URLs of boards in other processes."""

from __future__ import annotations

from typing import Any

import pytest
import serial
from flashpipe.errors import BadValueError
from flashpipe.sim.sockets import listen


@pytest.mark.parametrize("url", ["sim+attach://", "sim+attach://example.org:1", "sim+attach://127.0.0.1",
                                 "sim+attach://127.0.0.1:99999"])  # fmt: skip
def test_bad_attach_urls(url: str, opener: Any) -> None:
    with pytest.raises(BadValueError) as caught:
        opener(url)
    assert url in caught.value.message


def test_nobody_listens(opener: Any) -> None:
    free = listen(0)
    port = free.getsockname()[1]
    free.close()
    with pytest.raises(serial.SerialException):
        opener(f"sim+attach://127.0.0.1:{port}")
