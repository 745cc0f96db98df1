from __future__ import annotations

import pickle
from collections.abc import Iterator

import pytest
from flashpipe import errors
from flashpipe.errors import PipelineError


def descendants(kind: type[PipelineError]) -> Iterator[type[PipelineError]]:
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from descendants(child)


def code_of(kind: type[PipelineError]) -> str:
    return kind.code


ALL = list(descendants(PipelineError))


def test_codes_are_unique() -> None:
    every: list[type[PipelineError]] = [PipelineError, *ALL]
    codes = [kind.code for kind in every]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("kind", ALL, ids=code_of)
def test_every_error_has_code_status_remedy_and_words(kind: type[PipelineError]) -> None:
    assert kind.code == kind.code.lower().replace(" ", "-")
    assert 3 <= kind.status <= 130
    assert "code" in vars(kind), "a code of its own"
    assert "remedy" in vars(kind), "a remedy of its own"
    assert kind.remedy
    assert kind.remedy[-1] != "."
    assert kind.__doc__


@pytest.mark.parametrize("kind", [PipelineError, *ALL], ids=code_of)
def test_every_error_survives_pickling(kind: type[PipelineError]) -> None:
    error = kind("what happened", "what to do")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert (copy.message, copy.hint, str(copy)) == (error.message, error.hint, str(error))


def test_families_have_different_statuses() -> None:
    families = [kind.status for kind in PipelineError.__subclasses__() if kind.__module__ == errors.__name__]
    assert len(families) == len(set(families))


def test_text_is_message_code_and_next_step() -> None:
    assert str(errors.NoPortError("no port", "plug it in")) == "no port [code: port-missing]\n  next: plug it in"
    general = str(errors.NoPortError("no port"))
    assert general == f"no port [code: port-missing]\n  next: {errors.NoPortError.remedy}", (
        "its own case knows no better"
    )
