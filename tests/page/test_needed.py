"""Whether what a browser shows can be tested here."""

from __future__ import annotations

import pytest

from tests.page.conftest import MISSING, REQUIRED


def test_what_the_tests_of_the_page_need_is_here() -> None:
    why = f"the page was not tested: {', '.join(MISSING)} missing, which `pip install -e '.[dev]'` brings"
    if MISSING and REQUIRED:
        pytest.fail(why)
    if MISSING:
        pytest.skip(why)
