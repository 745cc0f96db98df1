from __future__ import annotations

from itertools import pairwise

from flashpipe.sim.loader import slip
from hypothesis import given
from hypothesis import strategies as st


def received(rules: slip.ReceiverRules, pieces: list[bytes]) -> list[bytes]:
    """Every frame that arrives, each taken at once."""
    receiver, frames = slip.Receiver(rules), []
    for piece in pieces:
        at = 0
        while at < len(piece):
            at += receiver.feed(piece[at:])
            if receiver.eventful:
                frame = receiver.take()
                frames += [] if frame is None else [frame]
    return frames


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


ALL_RULES = st.sampled_from([slip.ROM_RULES, slip.STUB1_RULES, slip.STUB2_RULES])
PAYLOADS = st.lists(st.binary(min_size=1, max_size=60) | st.text("\xc0\xdb\xdc\xdd\x00", min_size=1).map(
    lambda text: text.encode("latin-1")), max_size=5)  # fmt: skip


@given(st.binary())
def test_unescape_undoes_escape(payload: bytes) -> None:
    body = slip.escape(payload)
    assert slip.unescape(body) == payload
    assert slip.END not in body


@given(ALL_RULES, PAYLOADS, st.lists(st.integers(0, 5000), max_size=12))
def test_frames_survive_any_chunking(rules: slip.ReceiverRules, payloads: list[bytes], places: list[int]) -> None:
    wire = b"".join(slip.encode(payload) for payload in payloads)
    assert received(rules, cut(wire, places)) == payloads


@given(ALL_RULES, st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=12))
def test_any_bytes_give_the_same_frames_however_cut(rules: slip.ReceiverRules, wire: bytes, places: list[int]) -> None:
    assert received(rules, cut(wire, places)) == received(rules, [wire])


def test_bytes_between_frames_are_ignored() -> None:
    for rules in (slip.ROM_RULES, slip.STUB1_RULES, slip.STUB2_RULES):
        assert received(rules, [b"noise" + slip.encode(b"one") + b"more" + slip.encode(b"two")]) == [b"one", b"two"]


def test_one_stray_delimiter_puts_both_stubs_out_of_phase_until_another_comes() -> None:
    frames = slip.encode(b"one") + slip.encode(b"two")
    assert received(slip.STUB2_RULES, [b"\xc0" + frames]) == []
    assert received(slip.STUB2_RULES, [b"\xc0" + frames + b"\xc0" + frames]) == [b"one", b"two"]
    assert received(slip.STUB1_RULES, [b"\xc0" + frames]) == [b"", b""]
    assert received(slip.ROM_RULES, [b"\xc0" + frames]) == [b"one", b"two"]


def test_an_even_number_of_delimiters_does_no_harm() -> None:
    assert received(slip.STUB2_RULES, [b"\xc0" * 4 + slip.encode(b"one")]) == [b"one"]
    assert received(slip.STUB1_RULES, [b"\xc0" * 4 + slip.encode(b"one")]) == [b"", b"", b"one"]


def test_stub2_drops_a_frame_with_a_bad_escape_and_listens_again_when_it_was_noticed() -> None:
    receiver = slip.Receiver(slip.STUB2_RULES)
    bad = b"\xc0abc\xdb\x01def\xc0"
    assert receiver.feed(bad) == 6
    assert receiver.failed
    receiver.feed_all(bad[6:])  # in the same batch of the FIFO: lost
    assert receiver.take() is None
    receiver.feed_all(slip.encode(b"next"))
    assert receiver.take() == b"next"


def test_stub1_cuts_a_frame_at_a_bad_escape() -> None:
    assert received(slip.STUB1_RULES, [b"\xc0abc\xdb\x01def\xc0"]) == [b"abc"]


def test_stub2_is_deaf_until_a_frame_is_taken() -> None:
    receiver = slip.Receiver(slip.STUB2_RULES)
    receiver.feed_all(slip.encode(b"one") + slip.encode(b"two"))
    assert receiver.take() == b"one"
    assert receiver.take() is None


def test_stub1_replaces_a_frame_that_nobody_took() -> None:
    receiver = slip.Receiver(slip.STUB1_RULES)
    receiver.feed_all(slip.encode(b"one") + slip.encode(b"two"))
    assert receiver.take() == b"two"


def test_a_frame_too_long_for_stub2_is_dropped_and_its_end_taken_for_a_beginning() -> None:
    longest = slip.STUB2_RULES.capacity
    assert received(slip.STUB2_RULES, [slip.encode(bytes(longest))]) == [bytes(longest)]
    wire = slip.encode(bytes(longest + 1)) + slip.encode(b"next")
    assert received(slip.STUB2_RULES, [wire]) == []


def test_a_full_buffer_of_stub1_ends_the_frame_and_begins_another() -> None:
    longest = slip.STUB1_RULES.capacity
    frames = received(slip.STUB1_RULES, [slip.encode(b"x" * (longest + 5))])
    assert [len(frame) for frame in frames] == [longest, 5]


def test_a_short_frame_is_read_with_what_its_buffer_held_before() -> None:
    receiver = slip.Receiver(slip.STUB2_RULES)
    for payload in (b"12345678", b"abcdefgh", b"X"):
        receiver.feed_all(slip.encode(payload))
        frame = receiver.take()
        assert frame == payload
    assert receiver.stale(4, b"X") == b"X234"  # two buffers take turns
