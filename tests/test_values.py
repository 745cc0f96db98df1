"""Cheap dataclasses: beside the standard library's own, for every way a class may look."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flashpipe import values
from flashpipe.events import Message
from hypothesis import given
from hypothesis import strategies as st

OPTIONS: tuple[dict[str, bool], ...] = ({}, {"kw_only": True})


def bodies() -> dict[str, Callable[[], type[Any]]]:
    """Class bodies, each made anew for each decorator."""

    def plain() -> type[Any]:
        class Plain:
            """Doc."""

            a: int
            b: str = "b"

        return Plain

    def fielded() -> type[Any]:
        class Fielded:
            a: int
            hidden: bytes = dataclasses.field(default=b"", repr=False)
            ignored: int = dataclasses.field(default=0, compare=False)
            made: list[int] = dataclasses.field(default_factory=list)

        return Fielded

    def lone() -> type[Any]:
        class Lone:
            a: int

        return Lone

    def own() -> type[Any]:
        class Own:
            a: int

            def __repr__(self) -> str:
                return "own"

            def __eq__(self, other: object) -> bool:
                return isinstance(other, type(self))

            def __hash__(self) -> int:
                return 7

        return Own

    return {"plain": plain, "fielded": fielded, "lone": lone, "own": own}


def pairs() -> Iterator[tuple[type[Any], type[Any]]]:
    for make in bodies().values():
        for options in OPTIONS:
            yield (
                values.dataclass(frozen=True, slots=True, **options)(make()),
                dataclasses.dataclass(frozen=True, slots=True, **options)(make()),
            )


PAIRS = list(pairs())


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
class TestBesideTheStandardLibrarys:
    @given(a=st.integers(), b=st.integers())
    def test_instances_behave_alike(self, ours: type[Any], theirs: type[Any], a: int, b: int) -> None:
        for one, other in ((ours(a=a), ours(a=b)), (theirs(a=a), theirs(a=b))):
            assert (one == other) is (a == b or "own" in repr(one))
            assert (one != other) is not (one == other)
            assert one != object()
            assert copy.copy(one) == copy.deepcopy(one) == one
        assert repr(ours(a=a)).rpartition(".")[2] == repr(theirs(a=a)).rpartition(".")[2]
        assert dataclasses.asdict(ours(a=a)) == dataclasses.asdict(theirs(a=a))
        assert dataclasses.replace(ours(a=a), a=b) == ours(a=b)

    def test_nothing_can_be_changed(self, ours: type[Any], theirs: type[Any]) -> None:
        for made in (ours(a=1), theirs(a=1)):
            for field in dataclasses.fields(made):
                with pytest.raises(dataclasses.FrozenInstanceError):
                    setattr(made, field.name, 2)
                with pytest.raises(dataclasses.FrozenInstanceError):
                    delattr(made, field.name)
            with pytest.raises((AttributeError, TypeError)):
                made.no_such_field = 1
            assert not hasattr(made, "__dict__")

    def test_alike_from_outside(self, ours: type[Any], theirs: type[Any]) -> None:
        assert ours.__match_args__ == theirs.__match_args__
        assert ours.__slots__ == theirs.__slots__
        assert [(one.name, one.repr, one.compare) for one in dataclasses.fields(ours)] == [
            (one.name, one.repr, one.compare) for one in dataclasses.fields(theirs)
        ]
        with pytest.raises(TypeError):
            ours()

    def test_hashes_as_it_compares(self, ours: type[Any], theirs: type[Any]) -> None:
        if "made" in ours.__slots__:
            for unhashable in (ours(a=1), theirs(a=1)):
                with pytest.raises(TypeError):
                    hash(unhashable)
        else:
            assert len({ours(a=1), ours(a=1)}) == len({theirs(a=1), theirs(a=1)}) == 1


def test_other_kinds_are_the_standard_librarys_own() -> None:
    @values.dataclass
    class Loose:
        a: int

    @values.dataclass(frozen=True)
    class Frozen:
        a: int = 1

    loose = Loose(1)
    loose.a = 2
    assert loose == Loose(2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Frozen().a = 2  # type: ignore[misc]
    assert not hasattr(Loose, "__compared__")
    assert not hasattr(Frozen, "__compared__")


def test_equal_only_within_a_class_and_inherits() -> None:
    @values.dataclass(frozen=True, slots=True)
    class Base:
        a: int

    @values.dataclass(frozen=True, slots=True)
    class Derived(Base):
        b: int = 0

    assert Base(1) != Derived(1)
    assert Derived(1, 2) == Derived(1, 2)
    assert repr(Derived(1)).endswith("Derived(a=1, b=0)")
    with pytest.raises(dataclasses.FrozenInstanceError):
        Derived(1).a = 3  # type: ignore[misc]


def test_pickles() -> None:
    said = Message(*("x" for _ in dataclasses.fields(Message)))
    assert pickle.loads(pickle.dumps(said)) == said
