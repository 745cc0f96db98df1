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

VALUE = {"frozen": True, "slots": True}
OPTIONS: tuple[dict[str, bool], ...] = (VALUE, {**VALUE, "kw_only": True}, {"frozen": True}, {"slots": True}, {})


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


def pairs() -> Iterator[tuple[type[Any], type[Any], dict[str, bool]]]:
    for make in bodies().values():
        for options in OPTIONS:
            yield values.dataclass(**options)(make()), dataclasses.dataclass(**options)(make()), options


PAIRS = list(pairs())


@pytest.mark.parametrize(("ours", "theirs", "options"), PAIRS)
class TestBesideTheStandardLibrarys:
    @given(a=st.integers(), b=st.integers())
    def test_instances_behave_alike(
        self, ours: type[Any], theirs: type[Any], options: dict[str, bool], a: int, b: int
    ) -> None:
        for one, other in ((ours(a=a), ours(a=b)), (theirs(a=a), theirs(a=b))):
            assert (one == other) is (a == b or "own" in repr(one))
            assert (one != other) is not (one == other)
            assert one != object()
            assert copy.copy(one) == copy.deepcopy(one) == one
        assert repr(ours(a=a)).rpartition(".")[2] == repr(theirs(a=a)).rpartition(".")[2]
        assert dataclasses.asdict(ours(a=a)) == dataclasses.asdict(theirs(a=a))
        assert dataclasses.replace(ours(a=a), a=b) == ours(a=b)
        if "kw_only" not in options:
            assert ours(a) == ours(a=a)

    def test_may_be_changed_or_not(self, ours: type[Any], theirs: type[Any], options: dict[str, bool]) -> None:
        for made in (ours(a=1), theirs(a=1)):
            if "frozen" in options:
                for name in (*(field.name for field in dataclasses.fields(made)), "no_such_field"):
                    with pytest.raises((AttributeError, TypeError)):
                        setattr(made, name, 2)
                    with pytest.raises((AttributeError, TypeError)):
                        delattr(made, name)
            else:
                made.a = 2
                assert made.a == 2
            assert hasattr(made, "__dict__") is ("slots" not in options)

    def test_alike_from_outside(self, ours: type[Any], theirs: type[Any], options: dict[str, bool]) -> None:
        assert ours.__match_args__ == theirs.__match_args__
        assert getattr(ours, "__slots__", None) == getattr(theirs, "__slots__", None)
        assert [(one.name, one.repr, one.compare) for one in dataclasses.fields(ours)] == [
            (one.name, one.repr, one.compare) for one in dataclasses.fields(theirs)
        ]
        for made in (ours, theirs):
            for by_place, named in (((), {}), ((1, 2, 3, 4, 5), {}), ((1,), {"a": 1}), ((), {"a": 1, "z": 2})):
                with pytest.raises(TypeError):
                    made(*by_place, **named)
        if "kw_only" in options:
            with pytest.raises(TypeError):
                ours(1)

    def test_hashes_as_it_compares(self, ours: type[Any], theirs: type[Any], options: dict[str, bool]) -> None:
        has_list = any(field.name == "made" for field in dataclasses.fields(ours))
        if has_list or ("frozen" not in options and "own" not in repr(ours(a=1))):
            for unhashable in (ours(a=1), theirs(a=1)):
                with pytest.raises(TypeError):
                    hash(unhashable)
        else:
            assert len({ours(a=1), ours(a=1)}) == len({theirs(a=1), theirs(a=1)}) == 1


def test_more_options_are_the_standard_librarys_own() -> None:
    @values.dataclass(order=True)
    class Ordered:
        a: int

    assert Ordered(1) < Ordered(2)
    assert not hasattr(Ordered, "__compared__")


def test_what_comes_after_the_fields() -> None:
    @values.dataclass(slots=True)
    class Late:
        a: int
        twice: int = dataclasses.field(init=False)

        def __post_init__(self) -> None:
            self.twice = 2 * self.a

    assert Late(3).twice == 6
    with pytest.raises(TypeError):
        Late(3, 6)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="listed"):

        @values.dataclass
        class Unmade:
            listed: list[int] = dataclasses.field(init=False, default_factory=list)


def test_fields_in_slots_and_beside_them() -> None:
    @values.dataclass(slots=True)
    class Base:
        a: int

    @values.dataclass
    class Derived(Base):
        b: int

    assert (Derived(1, 2).a, Derived(1, 2).b) == (1, 2)


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
    said = Message("sim://esp12", "x", warning=True)
    assert pickle.loads(pickle.dumps(said)) == said
