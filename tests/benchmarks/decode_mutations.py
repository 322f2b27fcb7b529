"""A million damaged messages of every format: `python tests/benchmarks/decode_mutations.py [count]`.

Each goes from its topic to the batch; none may raise, and each must end stored, rejected, or settled as one that says
nothing (all its values null, or a kind of message that carries none). Prints a table with counts, time and memory.
"""

import sys
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "ingest"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from ingest_cases import CASES, PLANT, case
from ingest_mutations import stream

from ingest.batching import Batcher
from ingest.placing import place
from ingest.settings import MappingSettings
from ingest.topics import compile_router

PORTION = 1_000


def run(prefix: str, *, count: int, seed: int) -> str:
    """Damage the golden messages of one format so often; one line of the table."""
    cases = [case(folder) for folder in sorted(CASES.glob(f"decode_{prefix}_*"))]
    routers = [compile_router([MappingSettings.model_validate(mapping)], plant=PLANT) for _, _, mapping in cases]
    batcher = Batcher(run="r", plant=PLANT, filters=("f",), clock_skew_limit_us=1)
    stored = rejected = both = silent = rows = 0
    started, memory = time.perf_counter(), psutil.Process().memory_info().rss
    for number, (index, payload) in enumerate(stream([each[1] for each in cases], count=count, seed=seed), start=1):
        topic = cases[index][0]
        place(
            batcher,
            batcher.open_message(0, payload_bytes=len(payload)),
            way=routers[index].route(topic),
            topic=topic,
            payload=payload,
            received_at_us=5,
            max_payload_bytes=4_000_000,
        )
        if number % PORTION == 0 or number == count:
            batch = batcher.take([number])
            bad = {rejection.message for rejection in batch.rejections}
            good = {message for table in batch.tables.values() for message in table["message"].to_pylist()}
            stored, rejected, both = stored + len(good - bad), rejected + len(bad - good), both + len(good & bad)
            silent += batch.messages - len(good | bad)
            rows += sum(len(table) for table in batch.tables.values())
    took_s, grown = time.perf_counter() - started, psutil.Process().memory_info().rss - memory
    return (
        f"| {prefix} | {count:,} | {stored:,} | {both:,} | {rejected:,} | {silent:,} | {rows:,} "
        f"| {took_s / count * 1e6:.0f} | {grown / 2**20:.0f} |"
    )


def main() -> None:
    """Print the table."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print(
        "| format | messages | stored | stored in part | rejected | said nothing | rows | µs each, made and read | MB |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for seed, prefix in enumerate(("json", "uns", "line", "opcua", "sparkplug")):
        print(run(prefix, count=count, seed=seed), flush=True)


if __name__ == "__main__":
    main()
