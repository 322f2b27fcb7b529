"""The ingest role is small: what it does all day loads neither pandas nor what answers SQL, judges or plans."""

import json
import subprocess
import sys
from pathlib import Path

HEAVY = ("pandas", "duckdb", "torch", "scipy", "pulp", "highspy", "nicegui", "dask", "distributed")
CODE = """
import json, sys
from pathlib import Path
import numpy as np
import pyarrow as pa
import linewright.chores, linewright.pipeline, linewright.receiving, linewright.reloading, linewright.roles
from linewright.settings.template import write_template
from linewright.wiring import open_keeper, open_site
from plant.signals import Batch
from store.embedded.memory import leave_pandas_out

leave_pandas_out()
write_template(Path(sys.argv[1]))
site = open_site(Path(sys.argv[1]), environ={})
writer = open_keeper(site)
machine = site.plant.machines[0]
rows = 3_000
at = site.clock.now_us() - np.arange(rows, dtype=np.int64)[::-1] * 10_000_000
signals = site.plant.class_of(machine.name).signals
columns = {"machine": pa.array([machine.name] * rows), "observed_at": pa.array(at), "received_at": pa.array(at)}
columns |= {"message": pa.array(np.arange(rows, dtype=np.int32)), "quality": pa.array(np.zeros(rows, np.uint8))}
for signal in signals:
    text = signal.kind in ("state", "event")
    columns[signal.name] = pa.array(["Idle"] * rows) if text else pa.array(np.arange(rows, dtype=float))
batch = Batch(
    run="run", tables={machine.machine_class: pa.table(columns)}, filters=("x",),
    message_filter=np.zeros(rows, np.int16), received=np.array([rows]),
)
receipt = writer.write(batch)
writer.seal()
writer.compact()
writer.last_values()
writer.close()
print(json.dumps({"stored": receipt.stored, "loaded": [name for name in %r if name in sys.modules]}))
import pandas
assert pa.table({"a": [1, 2]}).to_pandas()["a"].sum() == 3
"""


def test_ingest_that_writes_seals_and_compacts_loads_no_heavy_library(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", CODE % (HEAVY,), str(tmp_path / "plant")], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout.splitlines()[-1]) == {"stored": 3_000, "loaded": []}
