"""When a batch is read and committed: bounds on its delay, and few looks where much arrives."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.pacing import BUSY_PER_S, LIGHT_PER_S, LONGEST_S, STALLED_MESSAGES, WAITING_BYTES, Pace
from ingest.settings import IngestSettings

SETTINGS = IngestSettings()


def paced(rate_per_s: float, *, settings: IngestSettings = SETTINGS, seconds: float = 10.0) -> Pace:
    """After so long a time of one batch every 0.2 s at a rate."""
    pace = Pace(settings)
    for turn in range(round(seconds / 0.2)):
        pace.kept(turn * 0.2, messages=round(rate_per_s * 0.2), payload_bytes=0)
    return pace


def stream(pace: Pace, rate_per_s: float, *, seconds: float) -> tuple[list[float], int]:
    """Let messages come evenly: how long each waited [s], and how often the link was looked at."""
    now, came, read, looks = 0.0, 0, 0, 0
    held: list[int] = []
    waited: list[float] = []
    while now < seconds:
        came = math.floor(now * rate_per_s)
        if arrived := came - read:
            pace.came(now, first=not held)
        held += range(read, came)
        read, looks = came, looks + 1
        pace.looked(held=len(held), arrived=arrived)
        quiet_due = not arrived and (now >= pace.settled_at or pace.stalled(len(held)))
        if held and (now >= pace.due_at or quiet_due):
            waited += [now - (number + 1) / rate_per_s for number in held]
            pace.kept(now, messages=len(held), payload_bytes=150 * len(held))
            held = []
        now += pace.pause_s(now, held=len(held), arrived=arrived) if arrived else 0.001
    return waited, looks


def test_a_batch_is_as_young_as_set_while_little_arrives_and_grows_to_the_busy_age():
    assert paced(0).age_s == paced(LIGHT_PER_S / 2).age_s == SETTINGS.batch_max_age_s
    assert paced(1.5 * BUSY_PER_S).age_s == SETTINGS.batch_busy_age_s
    middle = paced((LIGHT_PER_S + BUSY_PER_S) / 2).age_s
    assert middle == pytest.approx((SETTINGS.batch_max_age_s + SETTINGS.batch_busy_age_s) / 2, rel=0.01)


def test_a_batch_gets_younger_again_where_it_would_be_half_full():
    many = SETTINGS.batch_max_messages / 2 / 0.2
    assert paced(many).age_s == pytest.approx(0.2, rel=0.01)
    assert paced(50 * many).age_s == SETTINGS.batch_max_age_s


def test_a_longer_age_of_a_quiet_stream_bounds_the_busy_one_from_below():
    settings = IngestSettings(batch_max_age_s=2.0)
    assert paced(20 * BUSY_PER_S, settings=settings).age_s == 2.0


@given(low=st.floats(0, 30_000), high=st.floats(0, 30_000))
def test_the_age_grows_with_the_rate_until_a_batch_is_half_full(low, high):
    low, high = sorted((low, high))
    younger, older = paced(low, seconds=2.0).age_s, paced(high, seconds=2.0).age_s
    assert SETTINGS.batch_max_age_s <= younger <= SETTINGS.batch_busy_age_s
    if high < SETTINGS.batch_max_messages / 2 / SETTINGS.batch_busy_age_s:
        assert younger <= older + 1e-9


@pytest.mark.parametrize(
    ("rate_per_s", "bound_s"), [(50, 0.14), (200, 0.14), (1_000, 0.14), (5_000, 0.28), (9_000, 0.28)]
)
def test_no_message_of_a_stream_waits_longer_than_the_age_and_the_link_is_seldom_looked_at(rate_per_s, bound_s):
    waited, looks = stream(Pace(SETTINGS), rate_per_s, seconds=20.0)
    steady = waited[len(waited) // 2 :]
    assert max(steady) < bound_s
    assert len(waited) > 0.95 * 20 * rate_per_s
    if rate_per_s >= 1_000:
        assert looks < 20.0 / SETTINGS.batch_max_age_s * 1.5


def test_a_single_message_is_due_as_soon_as_no_more_comes():
    pace = Pace(SETTINGS)
    pace.looked(held=0, arrived=0)
    pace.came(100.0, first=True)
    pace.looked(held=1, arrived=1)
    assert pace.pause_s(100.0, held=1, arrived=1) == SETTINGS.read_interval_s
    assert pace.settled_at == pytest.approx(100.0 + SETTINGS.batch_settle_s)


def test_age_counts_from_when_the_link_was_left_alone():
    pace = paced(1_000)
    pause_s = pace.pause_s(50.0, held=0, arrived=100)
    pace.came(50.0 + pause_s, first=True)
    assert pause_s == pytest.approx(SETTINGS.batch_max_age_s)
    assert pace.opened_at == 50.0
    assert pace.due_at <= 50.0 + pause_s


def test_a_link_is_read_before_more_waits_than_the_processor_keeps_at_hand():
    pace = Pace(SETTINGS)
    for turn in range(50):
        pace.kept(turn * 0.1, messages=5_000, payload_bytes=5_000 * 200)
    pause_s = pace.pause_s(5.0, held=0, arrived=5_000)
    assert pause_s * 50_000 * 200 == pytest.approx(WAITING_BYTES, rel=0.05)


def test_a_batch_as_large_as_any_before_is_looked_after_soon_since_the_broker_may_wait():
    pace = paced(5_000)
    for turn in range(3):
        pace.came(20.0 + turn, first=True)
        pace.looked(held=200, arrived=200)
        assert pace.stalled(200)
        assert pace.pause_s(20.0 + turn, held=200, arrived=200) == SETTINGS.read_interval_s
        pace.looked(held=200, arrived=0)
        pace.kept(20.01 + turn, messages=200, payload_bytes=0)
    pace.looked(held=150, arrived=150)
    assert not pace.stalled(150)
    pace.cut()
    assert pace.stalled(STALLED_MESSAGES)


@given(
    held=st.integers(0, 10_000),
    arrived=st.integers(1, 10_000),
    rate=st.floats(0, 1e5),
    age_s=st.floats(0.02, 60),
    now=st.floats(100, 1e6),
)
def test_no_pause_keeps_a_stop_waiting(held, arrived, rate, age_s, now):
    pace = paced(rate, settings=IngestSettings(batch_max_age_s=age_s), seconds=1.0)
    pace.looked(held=max(held, arrived), arrived=arrived)
    assert 0.0 <= pace.pause_s(now, held=held, arrived=arrived) <= LONGEST_S
