"""A process that serves the spool of a store until it is empty, to be killed: a script with the store's folder."""

import contextlib
import sys
from pathlib import Path

from ingest_plant import PLANT

from ingest.batching import Batcher
from ingest.rework import Rework
from ingest.settings import MappingSettings
from ingest.spool import Spool
from ingest.topics import compile_router
from plant.clock import PlantClock
from store.embedded.writer import open_writer

FIXED = MappingSettings(time_unit="none", time_field="", fields={"vibration_mm_s": "vib"})
"""No device time: a message that is stored twice would be there twice."""


def serve(folder: Path) -> None:
    """Serve until nothing waits; says `serving` once it begins."""
    router = compile_router([FIXED], plant=PLANT)
    spool = Spool(folder / "spool")
    with contextlib.closing(open_writer(folder, plant=PLANT, clock=PlantClock())) as writer:
        run = writer.begin_run(router.filters)
        rework = Rework(
            spool,
            quarantine=writer,
            router=router,
            labels=router.filters,
            sides={},
            batcher=Batcher(run=run, plant=PLANT, filters=router.filters, clock_skew_limit_us=10**18),
            sink=writer.write,
            run=run,
            mappings="",
            max_payload_bytes=10_000,
        )
        received = [0] * len(router.filters)
        sys.stdout.write("serving\n")
        sys.stdout.flush()
        while spool.waiting():
            rework.turn(received, lambda: [0] * len(received))
        writer.end_run(run)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
