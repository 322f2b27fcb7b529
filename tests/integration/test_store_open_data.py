"""The README's own snippets on a real folder: pandas, Polars and DuckDB read what a writer writes."""

import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from plant.clock import PlantClock
from store.embedded.writer import open_writer
from store.settings import StoreSettings
from tests.contract.batches import PLANT, batch, row, series

ROOT = Path(__file__).resolve().parents[2]
CHECK = """
assert len(readings) == 901, len(readings)
assert set(readings["machine"]) == {"L1-press"}
assert hottest.iloc[0].tolist() == ["L1-press", 172_999.0], hottest
assert len(hourly) == 3, hourly
assert hourly["temperature_c"].to_list()[-1] == (172_800 + 172_999) / 2, hourly
"""


def test_readme_snippets_read_day_files_and_fresh_ones_while_the_writer_is_open(tmp_path: Path) -> None:
    section = (ROOT / "README.md").read_text().split("## Your data stays open")[1].split("\n## ")[0]
    (snippet,) = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    settings = StoreSettings(seal_rows=10)
    with closing(open_writer(tmp_path / ".linewright", plant=PLANT, clock=PlantClock(), settings=settings)) as writer:
        for first, count in ((0, 350), (3_600 * 24, 350), (3_600 * 48, 200)):
            writer.write(batch(*series("L1-press", count, first=first)))
            writer.seal()
        writer.write(batch(row("L1-press", 3_600 * 48 + 500, current_a=3.0)))
        writer.seal()
        names = [path.name for path in (tmp_path / ".linewright" / "segments" / "press").iterdir()]
        assert any(name.endswith("-day.parquet") for name in names), names
        assert any(re.fullmatch(r"\w+-\d+\.parquet", name) for name in names), names
        done = subprocess.run(
            [sys.executable, "-c", snippet + CHECK], cwd=tmp_path, text=True, capture_output=True, timeout=120
        )
    assert done.returncode == 0, done.stderr
