"""What is lost and doubled over kills, broker restarts, cut links and a full disk: `python ingest_endurance.py`.

A publisher of its own counts what Mosquitto (with `deploy/mosquitto.conf`) confirmed; each of its readings is distinct.
At the end of each part every reading must be in the store once and the ledger even. Exit code 0 only then.
"""

import argparse
import random
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from endurance_parts import (
    Cable,
    Ingesting,
    Publishing,
    caught_up,
    fill,
    ledger_of,
    lost_and_doubled,
    settled,
    small_disk,
)
from mosquitto_broker import Mosquitto

CATCH_UP_S = 300.0


class Outcome(NamedTuple):
    """What one part came to."""

    part: str
    events: int
    published: int
    rate_per_s: float
    lost: int
    doubled: int
    redelivered: int
    even: bool

    @property
    def sound(self) -> bool:
        return not self.lost and not self.doubled and self.even

    def row(self) -> str:
        even = "even" if self.even else "UNEVEN"
        return (
            f"| {self.part} | {self.events} | {self.published:,} | {self.rate_per_s:,.0f} | {self.lost} | "
            f"{self.doubled} | {self.redelivered:,} | {even} |"
        )


HEAD = (
    "| part | events | published | messages/s | lost | doubled | redelivered | ledger |\n"
    "|---|---|---|---|---|---|---|---|"
)


def run_part(
    name: str,
    events: int,
    *,
    rate_per_s: float,
    disturb: Callable[[Mosquitto, Ingesting, Cable, Path], None],
    site: Path | None = None,
) -> Outcome:
    """Publish while a part disturbs, then let ingest catch up and compare."""
    folder = Path(tempfile.mkdtemp(prefix="endurance-"))
    folder.chmod(0o777)
    program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    broker = Mosquitto(Path(program), port=_free_port(), folder=folder)
    broker.start()
    cable = Cable(broker.port)
    site = site or folder / "site"
    ingesting = Ingesting(cable.port, site)
    publishing = Publishing(broker.port, rate_per_s, progress=folder / "progress")
    try:
        disturb(broker, ingesting, cable, site)
        published, seconds = publishing.end()
        deadline = time.monotonic() + CATCH_UP_S
        while settled(site) < published and time.monotonic() < deadline:
            time.sleep(0.2)
        ingesting.stop()
        lines = ledger_of(site)
        lost, doubled = lost_and_doubled(site, published)
        stored = sum(line.stored for line in lines)
        even = all(line.missing == line.samples_missing == line.in_flight == line.quarantined == 0 for line in lines)
        return Outcome(
            part=name,
            events=events,
            published=published,
            rate_per_s=published / seconds,
            lost=lost,
            doubled=doubled,
            redelivered=sum(line.duplicate for line in lines),
            even=even and stored == published,
        )
    finally:
        publishing.discard()
        ingesting.discard()
        cable.close()
        broker.stop()
        shutil.rmtree(folder, ignore_errors=True)


def kills(count: int, chance: random.Random, *, rate_per_s: float) -> Outcome:
    """`kill -9` of the ingestor at random instants; each time it has caught up before, so that no queue grows on."""

    def disturb(broker: Mosquitto, ingesting: Ingesting, _cable: Cable, site: Path) -> None:
        for _ in range(count):
            deadline = time.monotonic() + CATCH_UP_S
            while not caught_up(site, broker.folder / "progress", within=round(rate_per_s)):
                assert time.monotonic() < deadline, "ingest does not catch up"
                time.sleep(0.1)
            time.sleep(chance.uniform(0.0, 1.0))
            ingesting.kill()
            ingesting.start()

    return run_part("kill -9 of the ingestor", count, rate_per_s=rate_per_s, disturb=disturb)


def restarts(count: int, chance: random.Random, *, rate_per_s: float) -> Outcome:
    """The broker ends and comes back."""

    def disturb(broker: Mosquitto, _ingesting: Ingesting, _cable: Cable, _site: Path) -> None:
        for _ in range(count):
            time.sleep(chance.uniform(0.5, 2.5))
            broker.stop(signal.SIGTERM)
            time.sleep(chance.uniform(0.0, 1.0))
            broker.start()

    return run_part("restart of the broker", count, rate_per_s=rate_per_s, disturb=disturb)


def cuts(count: int, chance: random.Random, *, rate_per_s: float) -> Outcome:
    """The link between broker and ingestor is reset."""

    def disturb(_broker: Mosquitto, _ingesting: Ingesting, cable: Cable, _site: Path) -> None:
        for _ in range(count):
            time.sleep(chance.uniform(0.2, 2.0))
            cable.cut()

    return run_part("cut of the link", count, rate_per_s=rate_per_s, disturb=disturb)


def full_disks(count: int, chance: random.Random, *, rate_per_s: float) -> Outcome:
    """The disk under the store is full for a while."""
    folder = Path(tempfile.mkdtemp(prefix="small-disk-"))

    def disturb(_broker: Mosquitto, _ingesting: Ingesting, _cable: Cable, _site: Path) -> None:
        for _ in range(count):
            time.sleep(chance.uniform(1.0, 3.0))
            filler = fill(folder)
            time.sleep(chance.uniform(2.0, 5.0))
            filler.unlink()

    try:
        with small_disk(folder, megabytes=96):
            return run_part("full disk", count, rate_per_s=rate_per_s, disturb=disturb, site=folder / "site")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def main() -> int:
    """Run the parts and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--cuts", type=int, default=20)
    parser.add_argument("--full-disks", type=int, default=3)
    parser.add_argument("--rate", type=float, default=4_000.0, help="Messages per second.")
    parser.add_argument("--seed", type=int, default=1)
    told = parser.parse_args()
    chance = random.Random(told.seed)
    outcomes = []
    print(HEAD, flush=True)
    for count, part in (
        (told.kills, kills),
        (told.restarts, restarts),
        (told.cuts, cuts),
        (told.full_disks, full_disks),
    ):
        if count:
            outcomes.append(part(count, chance, rate_per_s=told.rate))
            print(outcomes[-1].row(), flush=True)
    return 0 if all(each.sound for each in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
