"""Last words of a firmware that restarts, and the first of one that has."""

from __future__ import annotations

import pytest
from flashpipe.testing.wire import DIES


@pytest.mark.parametrize(
    "banner",
    [
        "NodeMCU 0.9.5 build 20150318  powered by Lua 5.1.4\n",
        "NodeMCU 1.5.4.1 build unspecified powered by Lua 5.1.4 on SDK 1.5.4.1(39cb9a32)\n",
        "NodeMCU custom build by frightanic.com\n\tSSL: false\n powered by Lua 5.1.4 on SDK 2.2.1(cfd48f3)\n",
        "NodeMCU 3.0.0.0 built on nodemcu-build.com\n build 2020-07-22 07:20 powered by Lua 5.1.4 on SDK 3.0.1-dev\n",
        "NodeMCU 3.0.0.0 \n\tmodules: adc\n build 2021-01-01 powered by Lua 5.3.5 on SDK 3.0.1-dev\n",
    ],
)
def test_every_line_of_nodemcu_is_heard_to_start(banner: str) -> None:
    assert DIES.search(f"> \x01\xa5\n\n{banner}> ")


@pytest.mark.parametrize(
    "text", ['> print("powered by Lua 5")\n', "it is powered by Lua 5.1\n", "built, powered by Lua 5"]
)
def test_what_a_program_prints_of_it_is_no_start(text: str) -> None:
    assert not DIES.search(text)
