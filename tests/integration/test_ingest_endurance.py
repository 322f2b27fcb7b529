"""The endurance benchmark in short: each of its parts once."""

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

import endurance_parts
import ingest_endurance

pytestmark = [pytest.mark.mosquitto, pytest.mark.timeout(120)]


@pytest.mark.parametrize("part", [ingest_endurance.restarts, ingest_endurance.cuts, ingest_endurance.full_disks])
def test_nothing_is_lost_or_doubled_whatever_goes_away(part, mosquitto, tmp_path):
    if part is ingest_endurance.full_disks:
        try:
            with endurance_parts.small_disk(tmp_path / "probe", megabytes=1):
                pass
        except OSError as error:
            pytest.skip(f"a small disk to fill cannot be mounted here ({error})")
    outcome = part(1, random.Random(3), rate_per_s=400.0)
    assert outcome.sound, outcome
    assert outcome.published > 100
