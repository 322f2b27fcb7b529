"""History as plain files, for training elsewhere and for trying the replay."""

import csv
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from ingest.simulator.history import History, Renewal
from ingest.simulator.truth import write


@dataclass(frozen=True, kw_only=True, slots=True)
class Exported:
    """What was written, and where."""

    readings: Path
    failures: Path
    maintenance: Path
    truth: Path
    rows: int
    """Readings written."""


def export(history: History, folder: Path) -> Exported:
    """Write `readings.csv`, `failures.csv`, `maintenance.csv` and, apart, `truth.jsonl`; files there are replaced.

    `readings.csv` has the columns machine, machine_class, observed_at (ISO 8601, UTC) and one per signal, in order of
    time within each stretch of history; `failures.csv` has machine, at, mode; `maintenance.csv` has machine, at, kind
    (`repaired` or `maintained`).
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = Exported(
        readings=folder / "readings.csv",
        failures=folder / "failures.csv",
        maintenance=folder / "maintenance.csv",
        truth=folder / "truth.jsonl",
        rows=sum(batch.messages for batch in history.batches),
    )
    _write_readings(history, written.readings)
    failures = [one for one in history.renewals if one.kind == "failed"]
    _write_rows(written.failures, ("machine", "at", "mode"), [(one.machine, _at(one), one.mode) for one in failures])
    renewed = [one for one in history.renewals if one.kind != "failed"]
    _write_rows(written.maintenance, ("machine", "at", "kind"), [(one.machine, _at(one), one.kind) for one in renewed])
    written.truth.unlink(missing_ok=True)
    write(written.truth, history.truth)
    return written


def _write_readings(history: History, path: Path) -> None:
    names = list(
        dict.fromkeys(
            name for batch in history.batches for table in batch.tables.values() for name in table.schema.names
        )
    )
    signals = [name for name in names if name not in ("machine", "observed_at", "received_at", "message", "quality")]
    writer = None
    try:
        for batch in history.batches:
            whole = pa.concat_tables(
                [
                    table.append_column("machine_class", pa.array([name] * table.num_rows, pa.string()))
                    for name, table in batch.tables.items()
                ],
                promote_options="default",
            ).sort_by([("observed_at", "ascending"), ("machine", "ascending")])
            seconds = pc.cast(whole["observed_at"], pa.timestamp("us", tz="UTC"))
            text = pc.strftime(pc.cast(seconds, pa.timestamp("s", tz="UTC")), format="%Y-%m-%dT%H:%M:%SZ")
            table = whole.select(["machine", "machine_class", *signals]).add_column(2, "observed_at", text)
            writer = writer or arrow_csv.CSVWriter(path, table.schema)
            writer.write_table(table)
    finally:
        if writer is not None:
            writer.close()


def _write_rows(path: Path, header: tuple[str, ...], rows: list[tuple[str, str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def _at(renewal: Renewal) -> str:
    return renewal.at.isoformat().replace("+00:00", "Z")
