"""The nearest past case is of the same kind, at about the same distance to its end."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from analytics_wearing import PRESS, SMALL, fleet

from analytics.assess import assess
from analytics.cases import Moment, moments_of, nearest_case, read_moments, write_moments
from analytics.lives import Life, truncated
from analytics.training import Model, train

NOW = datetime(2026, 1, 5, tzinfo=UTC)
HORIZON = 24.0


@pytest.fixture(scope="module")
def model() -> Model:
    trained = train(fleet(1), machine_class=PRESS, settings=SMALL, seed=0)
    assert isinstance(trained, Model)
    return trained


@pytest.fixture(scope="module")
def moments(model: Model) -> tuple[Moment, ...]:
    begin = round(datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1e6)
    lives = [replace(life, observed_at_us=life.observed_at_us + begin) for life in fleet(1)]
    return moments_of(lives, model=model, horizon_units=HORIZON)


def test_nearest_case_is_of_the_same_mode_and_nearly_as_far_from_its_end(
    model: Model, moments: tuple[Moment, ...]
) -> None:
    right, off = 0, []
    worn = [truncated(life, rows=len(life) - 8) for life in fleet(7, lives=12)]
    risks = assess(worn, model, machine_class=PRESS, horizon_h=HORIZON, now=NOW, moments=moments)
    for life, risk in zip(fleet(7, lives=12), risks, strict=True):
        assert risk.nearest is not None
        right += risk.nearest.mode == life.mode
        off.append(abs(risk.nearest.left_h - 8.0))
    assert right >= 10
    assert np.median(off) < 8.0


def test_healthy_machine_resembles_no_failure(model: Model, moments: tuple[Moment, ...]) -> None:
    young = [truncated(life, rows=30) for life in fleet(7, lives=6)]
    risks = assess(young, model, machine_class=PRESS, horizon_h=HORIZON, now=NOW, moments=moments)
    assert sum(risk.nearest is not None for risk in risks) <= 1


def test_sentence_says_who_when_how_long_before_and_how_alike(model: Model, moments: tuple[Moment, ...]) -> None:
    moment = next(each for each in moments if sum(each.parts) > 2.0 and each.mode == "bearing")
    failed = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment.failed_at_us)
    for machine, who in ((moment.machine, "this machine itself"), ("L9-press", moment.machine)):
        case = nearest_case(np.array(moment.parts), [moment], model=model, machine=machine)
        assert case is not None
        assert case.likeness == pytest.approx(1.0)
        assert case.sentence.startswith(f"most like {who} ")
        assert f"before its failure of {failed:%d %b %Y %H:%M} (bearing): 100 % alike" in case.sentence


def test_opposite_causes_are_not_alike(model: Model, moments: tuple[Moment, ...]) -> None:
    parts = np.zeros(len(moments[0].parts))
    parts[0] = 5.0
    far = replace(moments[0], parts=tuple((-parts).tolist()))
    assert nearest_case(parts, [far], model=model, machine="m") is None
    assert nearest_case(parts, [], model=model, machine="m") is None


def test_moments_are_kept_beside_the_model(tmp_path: Path, moments: tuple[Moment, ...]) -> None:
    write_moments(moments, home=tmp_path)
    assert read_moments(tmp_path) == moments
    (tmp_path / "cases.json").write_text("{")
    assert read_moments(tmp_path) == ()


def test_running_lives_are_no_cases(model: Model) -> None:
    running: list[Life] = [replace(life, failed=False) for life in fleet(1, lives=3)]
    assert moments_of(running, model=model, horizon_units=HORIZON) == ()
