"""Replays from quarantine over the real store: exactly once, whatever happens in between."""

import json

import pytest

from ingest.batching import Batcher
from ingest.placing import place
from ingest.rework import Rework, fingerprint
from ingest.settings import MappingSettings
from ingest.spool import Answer, Spool, Task
from ingest.topics import compile_router
from plant.assets import Line, Machine, MachineClass, Plant, Signal
from plant.clock import PlantClock, instant
from plant.errors import Unavailable
from plant.quantities import Quantity
from store.embedded.writer import open_writer

PRESS = MachineClass(
    name="press",
    signals=(
        Signal(name="vibration_mm_s", quantity=Quantity.VIBRATION),
        Signal(name="temperature_c", quantity=Quantity.TEMPERATURE),
    ),
)
PLANT = Plant(
    enterprise="acme",
    site="linz",
    timezone="Europe/Vienna",
    currency="EUR",
    lines=(
        Line(
            name="L1",
            label="Line 1",
            area="hall1",
            machines=(Machine(name="L1-press", label="Press", line="L1", machine_class="press"),),
        ),
    ),
    classes=(PRESS,),
)
OLD = MappingSettings()
FIXED = MappingSettings(fields={"vibration_mm_s": "vib"})
TOPIC = "acme/linz/hall1/L1/L1-press/telemetry"
START_US = 1_790_000_000_000_000
SIDE = "acme/linz/orders"


def message(number: int, **fields: object) -> bytes:
    return json.dumps({"timestamp_ms": START_US // 1_000 + number, **fields}).encode()


class Site:
    """One start of an ingest process without its broker: a writer, a router, a rework."""

    def __init__(self, folder, *, mapping, handler=lambda topic, payload: None, sink=None):
        self.writer = open_writer(folder, plant=PLANT, clock=PlantClock())
        self.router = compile_router([mapping], plant=PLANT, side_filters=(SIDE,))
        self.run = self.writer.begin_run(self.router.filters)
        self.received = [0] * len(self.router.filters)
        self.spool = Spool(folder / "spool")
        self.mappings = fingerprint([mapping], plant=PLANT)
        self.rework = Rework(
            self.spool,
            quarantine=self.writer,
            router=self.router,
            labels=self.router.filters,
            sides={SIDE: handler},
            batcher=self._batcher(),
            sink=sink or self.writer.write,
            run=self.run,
            mappings=self.mappings,
            max_payload_bytes=10_000,
        )

    def _batcher(self):
        return Batcher(run=self.run, plant=PLANT, filters=self.router.filters, clock_skew_limit_us=10**18)

    def hear(self, *messages: tuple[str, bytes]) -> None:
        batcher = self._batcher()
        for offset, (topic, payload) in enumerate(messages):
            way = self.router.route(topic)
            self.received[way.filter] += 1
            place(
                batcher,
                batcher.open_message(way.filter, payload_bytes=len(payload)),
                way=way,
                topic=topic,
                payload=payload,
                received_at_us=START_US + offset,
                max_payload_bytes=10_000,
            )
        self.writer.write(batcher.take(self.received))

    def serve(self) -> None:
        for _ in range(10):
            self.rework._look_at = 0.0
            self.rework.turn(self.received, lambda: [0] * len(self.received))

    def numbers(self) -> list[int]:
        return [each.number for each in self.writer.quarantine(limit=10_000)][::-1]

    def account(self) -> tuple[int, ...]:
        lines = self.writer.ledger()
        names = ("received", "stored", "duplicate", "quarantined", "in_flight", "samples_stored")
        return tuple(sum(getattr(line, name) for line in lines) for name in names)

    def vibration(self) -> list[float]:
        window = self.writer.read(["L1-press"], start=instant(START_US), end=instant(START_US + 10**9))["L1-press"]
        values: list[float] = window.values["vibration_mm_s"].tolist()
        return values


@pytest.fixture
def site(tmp_path):
    opened = []

    def start(mapping, **options):
        if opened:
            opened.pop().writer.close()
        opened.append(Site(tmp_path, mapping=mapping, **options))
        return opened[-1]

    yield start
    for each in opened:
        each.writer.close()


def test_a_replay_after_a_mapping_fix_stores_exactly_once(site):
    before = site(OLD)
    before.hear((TOPIC, message(0, vib=1.5)), (TOPIC, message(1, vib=2.5)), (TOPIC, message(2, temperature_c=3)))
    assert before.account() == (3, 1, 0, 2, 0, 1)
    after = site(FIXED)
    name = after.spool.ask(Task.REPLAY, after.numbers(), mappings=after.mappings)
    again = after.spool.ask(Task.REPLAY, after.numbers(), mappings=after.mappings)
    after.serve()
    assert after.spool.answer(name).stored == 2
    assert after.spool.answer(again).missing == 2
    assert after.account() == (3, 3, 0, 0, 0, 3)
    assert after.vibration()[:2] == [1.5, 2.5]
    assert after.numbers() == []
    assert after.spool.waiting() == []


def test_a_replay_in_the_run_of_the_rejection_keeps_the_account_even(site):
    running = site(OLD)
    running.hear((TOPIC, message(0, temperature_c=20, vibration_mm_s=[1])))
    running.spool.ask(Task.REPLAY, running.numbers(), mappings=running.mappings)
    running.serve()
    assert running.account() == (1, 0, 0, 1, 0, 1)
    assert running.numbers() == [2]
    running.hear((TOPIC, message(1, temperature_c=21)))
    assert running.account() == (2, 1, 0, 1, 0, 2)
    running.writer.end_run(running.run)
    assert running.account() == (2, 1, 0, 1, 0, 2)


def test_a_message_without_device_time_keeps_its_time_of_reception_when_replayed(site):
    timeless = MappingSettings(time_unit="none", time_field="", fields={"vibration_mm_s": "v"})
    site(MappingSettings(time_unit="none", time_field="")).hear((TOPIC, b'{"v": 4}'))
    after = site(timeless)
    after.hear((TOPIC, b'{"v": 1}'), (TOPIC, b'{"v": 5}'))
    after.spool.ask(Task.REPLAY, after.numbers())
    after.serve()
    assert after.account() == (3, 3, 0, 0, 0, 3)
    assert after.vibration()[-1] == 5.0


def test_a_request_is_served_again_when_ingest_was_killed_before_its_answer(site, tmp_path):
    site(OLD).hear((TOPIC, message(0, vib=1.5)), (TOPIC, message(1, vib=2.5)))
    killed = site(FIXED)
    name = killed.spool.ask(Task.REPLAY, killed.numbers()[:1], mappings=killed.mappings)
    request = (tmp_path / "spool" / f"{name}.request").read_bytes()
    killed.serve()
    (tmp_path / "spool" / f"{name}.answer").unlink()
    (tmp_path / "spool" / f"{name}.request").write_bytes(request)  # as if the kill came between commit and answer
    again = site(FIXED)
    again.serve()
    assert again.spool.answer(name).missing == 1
    assert again.account() == (2, 1, 0, 1, 0, 1)


def test_a_replay_waits_and_loses_nothing_while_the_store_is_away(site):
    site(OLD).hear((TOPIC, message(0, vib=1.5)))
    away = [True, True]

    def sink(batch):
        if away:
            away.pop()
            raise Unavailable("the disk is full")
        return running.writer.write(batch)

    running = site(FIXED, sink=sink)
    name = running.spool.ask(Task.REPLAY, running.numbers(), mappings=running.mappings)
    running.serve()
    assert running.spool.answer(name).stored == 1
    assert running.account() == (1, 1, 0, 0, 0, 1)
    assert sum(running.received) == 1


def test_a_replay_meant_for_newer_mappings_waits_for_the_next_start(site):
    running = site(OLD)
    running.hear((TOPIC, message(0, vib=1.5)))
    name = running.spool.ask(Task.REPLAY, running.numbers(), mappings=fingerprint([FIXED], plant=PLANT))
    running.serve()
    assert running.spool.answer(name) is None
    restarted = site(FIXED)
    restarted.serve()
    assert restarted.spool.answer(name).stored == 1


def test_a_message_for_a_handler_is_settled_or_rejected_again(site):
    refused = site(OLD, handler=lambda topic, payload: "no such product")
    refused.hear((TOPIC, b"{"))
    refused.writer._connection.execute("UPDATE quarantine SET topic = ?", (SIDE,))
    refused.spool.ask(Task.REPLAY, refused.numbers())
    refused.serve()
    (entry,) = refused.writer.quarantine()
    assert (entry.detail, entry.filter) == ("no such product", SIDE)
    taken = site(OLD)
    taken.spool.ask(Task.REPLAY, taken.numbers())
    taken.serve()
    assert taken.account() == (1, 1, 0, 0, 0, 0)


def test_drop_removes_and_the_ledger_goes_on_counting(site):
    running = site(OLD)
    running.hear((TOPIC, b"{"), (TOPIC, b"["), ("stray", b""))
    name = running.spool.ask(Task.DROP, [*running.numbers()[:2], 99])
    running.serve()
    assert (running.spool.answer(name).dropped, running.spool.answer(name).missing) == (2, 1)
    assert len(running.numbers()) == 1
    assert running.account()[:5] == (3, 0, 0, 3, 0)


def test_many_messages_are_replayed_in_portions(site):
    site(OLD).hear(*((TOPIC, message(number, vib=number)) for number in range(1_200)))
    after = site(FIXED)
    name = after.spool.ask(Task.REPLAY, after.numbers())
    after.rework.turn(after.received, lambda: [0] * len(after.received))
    assert after.account()[:4] == (1_200, 500, 0, 700)
    after.serve()
    assert after.spool.answer(name).stored == 1_200
    assert after.account() == (1_200, 1_200, 0, 0, 0, 1_200)


def test_a_request_that_cannot_be_read_is_answered_and_does_not_hold_up_the_others(site, tmp_path):
    running = site(OLD)
    running.hear((TOPIC, b"{"))
    name = running.spool.ask(Task.DROP, running.numbers() * 2)
    (tmp_path / "spool" / "0.request").write_bytes(b"nonsense")
    running.serve()
    assert running.spool.answer(name) == Answer(dropped=1)
    assert "cannot be read" in running.spool.answer("0").detail
    assert running.spool.waiting() == []


def test_the_spool_keeps_a_bounded_number_of_answers(tmp_path, monkeypatch):
    monkeypatch.setattr("ingest.spool.ANSWERS_KEPT", 2)
    spool = Spool(tmp_path / "spool")
    names = [spool.ask(Task.DROP, [1]) for _ in range(4)]
    for name in names:
        spool.settle(name, Answer(dropped=1))
    assert [spool.answer(name) is not None for name in names] == [False, False, True, True]
