"""Readings in columns: batches on their way in, windows on their way out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntFlag, StrEnum

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


class Quality(IntFlag):
    """What is known about a value; flags never change it."""

    GOOD = 0
    GAP = 1
    """Nothing was reported here."""
    OUT_OF_RANGE = 2
    STUCK = 4
    JUMP = 8
    COUNTER_RESET = 16
    CLOCK_SKEW = 32
    """The device clock was further off than the limit when it was received."""
    NO_DEVICE_TIME = 64
    """Carries the time of reception; repeated deliveries cannot be told apart."""
    STALE = 128
    """Its source was declared dead: from here on nothing is known, until a newer value comes."""


class RejectionReason(StrEnum):
    """Why a message, or a part of it, could not become samples."""

    UNKNOWN_TOPIC = "unknown_topic"
    UNKNOWN_MACHINE = "unknown_machine"
    NOT_JSON = "not_json"
    WRONG_SHAPE = "wrong_shape"
    WRONG_TYPE = "wrong_type"
    NOT_A_NUMBER = "not_a_number"
    BAD_TIME = "bad_time"
    NO_FIELD = "no_field"
    TOO_LARGE = "too_large"
    NOT_SPARKPLUG = "not_sparkplug"
    BEFORE_BIRTH = "before_birth"
    """Sparkplug data whose aliases no birth has told yet; replayed by itself once the birth is there."""
    NOT_SUPPORTED = "not_supported"


@dataclass(frozen=True, kw_only=True, slots=True)
class Rejection:
    """One message that goes to quarantine, whole; its sound fields are stored all the same."""

    message: int
    """Index of the message in its batch."""
    topic: str
    payload: bytes
    received_at_us: int
    """[µs UTC, plant clock]"""
    reason: RejectionReason
    detail: str
    """A sentence for a person: field, value, what would be right."""
    samples: int
    """How many samples of the message could not be stored (at least 1)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Messages that are committed together, and acknowledged only afterwards.

    A table per machine class, one row per reading, with the columns
    `machine` (dictionary-encoded string), `observed_at` (int64, µs UTC, device clock), `received_at` (int64, µs UTC,
    plant clock), `message` (int32, index into `message_filter`), `quality` (uint8, `Quality` of the whole row) and
    one column per signal: float64 for gauges and counters, string for states and events; null where the message did not
    report it.
    """

    run: str
    """Identifier of this run of the ingestor."""
    tables: Mapping[str, pa.Table]
    filters: tuple[str, ...]
    """Topic filters of this ingestor, in the order of its configuration; the ledger's keys."""
    message_filter: NDArray[np.int16]
    """For each message of the batch, the index of its topic filter. (message,)"""
    received: NDArray[np.int64]
    """Messages read from the wire so far in this run, by filter, those in later batches included. (filter,)"""
    rejections: tuple[Rejection, ...] = ()
    in_flight: NDArray[np.int64] | None = None
    """Messages read and in no batch yet, by filter, as the ingestor counts what it holds; None: take it that
    what was received and not settled is there. (filter,)"""
    samples: NDArray[np.int64] | None = None
    """Samples the decoders gave, rejected ones too, by filter, counted apart from any store; None: not counted.
    (filter,)"""
    copies: tuple[tuple[int, int], ...] = ()
    """Message, and how many of its samples are copies of ones kept before that no device time tells: duplicates, which
    no table holds."""
    released: tuple[int, ...] = ()
    """Numbers in quarantine of messages that this batch settles anew: they leave it in the batch's own transaction."""

    @property
    def messages(self) -> int:
        """How many messages the batch settles."""
        return len(self.message_filter)


@dataclass(frozen=True, kw_only=True, slots=True)
class Receipt:
    """What became of a batch; committed in the batch's own transaction."""

    stored: int
    """Messages with at least one new sample, and none rejected."""
    duplicate: int
    """Messages that brought nothing new."""
    quarantined: int
    """Messages with a rejected part."""
    samples_stored: int
    samples_duplicate: int
    samples_quarantined: int


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerLine:
    """The account of one topic filter: received = stored + duplicate + quarantined + in flight.

    Each number is counted by itself, none is what is left of the others: what was received where packets are read,
    outcomes where they are committed, what is in flight where it is held.
    """

    filter: str
    received: int
    stored: int
    duplicate: int
    quarantined: int
    in_flight: int
    """Messages that the ingestor held, read from the wire and not settled, at the newest commit."""
    samples_received: int
    """Samples the decoders gave; none are in flight, since a message is decoded when its batch is committed."""
    samples_stored: int
    samples_duplicate: int
    samples_quarantined: int

    @property
    def missing(self) -> int:
        """Messages the account cannot explain; 0, or something is wrong: above, lost; below, counted twice."""
        return self.received - self.stored - self.duplicate - self.quarantined - self.in_flight

    @property
    def samples_missing(self) -> int:
        """The same for samples."""
        return self.samples_received - self.samples_stored - self.samples_duplicate - self.samples_quarantined


class Aggregation(StrEnum):
    """How the samples of one step become one value."""

    LAST = "last"
    MEAN = "mean"
    MIN = "min"
    MAX = "max"
    SUM = "sum"
    INTEGRAL = "integral"
    """Over time [unit x h]; a value holds until the next one, but no longer than three periods of its signal."""
    DURATION = "duration"
    """Of states: how long each word held [s], by the same rule as the integral; see `Window.durations`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """What one machine reported in a half-open range of time."""

    machine: str
    start: datetime
    end: datetime
    step: timedelta | None
    """Grain; None: raw readings."""
    as_of: datetime | None
    """Only what had been received by then; None: everything."""
    observed_at: NDArray[np.int64]
    """Instants, strictly increasing; the start of each step. [µs UTC] (time,)"""
    values: Mapping[str, NDArray[np.float64]]
    """Gauges and counters, NaN where nothing was reported. [canonical unit] (time,) each"""
    states: Mapping[str, NDArray[np.object_]]
    """States and events, None where nothing was reported. (time,) each"""
    quality: NDArray[np.uint8]
    """`Quality` of each instant as flagged at ingest. (time,)"""
    durations: Mapping[str, Mapping[str, NDArray[np.float64]]] = field(default_factory=dict)
    """State signals aggregated by DURATION: word to seconds in each step; NaN where no word held. (time,) each"""

    def __len__(self) -> int:
        return len(self.observed_at)


@dataclass(frozen=True, kw_only=True, slots=True)
class LastValue:
    """The newest value of one signal."""

    machine: str
    signal: str
    value: float | str
    observed_at_us: int
    received_at_us: int
    stale: bool = False
    """Whether its source was declared dead since it was received."""
