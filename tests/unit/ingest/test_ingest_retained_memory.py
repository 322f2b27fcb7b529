"""Copies of retained messages are told by what was last heard of their machine."""

from ingest.decode.contents import Reading
from ingest.retained import Memory
from plant.signals import LastValue

SIGNALS = {"press": ("speed", "state")}


def reading(speed: float | None, state: str | None, at_us: int | None = None) -> Reading:
    return Reading("press-1", "press", at_us, (speed, state))


def memory(*known: LastValue) -> Memory:
    return Memory(lambda _: known, signals=SIGNALS)


def last(signal: str, value: float | str, at_us: int) -> LastValue:
    return LastValue(machine="press-1", signal=signal, value=value, observed_at_us=at_us, received_at_us=at_us)


def test_what_was_heard_before_is_a_copy_and_news_in_any_signal_is_none():
    known = memory(last("speed", 4.5, 7), last("state", "Execute", 9))
    assert known.has(reading(4.5, "Execute"))
    assert known.has(reading(None, "Execute"))
    assert not known.has(reading(4.5, "Held"))
    assert not known.has(reading(4.6, "Execute"))
    assert not memory(last("speed", 4.5, 7)).has(reading(4.5, "Execute"))


def test_a_reading_with_a_device_time_is_left_to_the_store():
    assert not memory(last("speed", 4.5, 7)).has(reading(4.5, None, 3))


def test_what_the_same_batch_brought_counts_before_what_the_store_has():
    known = memory(last("speed", 4.5, 7))
    known.note(reading(5.5, None), at_us=8)
    assert not known.has(reading(4.5, None))
    assert known.has(reading(5.5, None))
    known.note(reading(3.5, None, 2), at_us=2)  # late
    assert known.has(reading(5.5, None))
    assert not Memory(None, signals=SIGNALS).has(reading(5.5, None))
