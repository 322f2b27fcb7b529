"""The inputs of a risk model as a table, for whoever wants to look at them or learn from them elsewhere."""

from typing import Final

import numpy as np
import pandas as pd

from analytics.features import extract, features_of
from analytics.lives import Life
from analytics.model_settings import ModelSettings
from analytics.normalise import Normaliser

SEPARATOR: Final = "|"
"""Between signal, scale and statistic in a column's name."""


def feature_table(life: Life, *, normaliser: Normaliser, settings: ModelSettings) -> pd.DataFrame:
    """Every row of a life as the model sees it.

    Args:
        life: Of the class that the normaliser was fitted on.
        normaliser: Of a model, or fitted for this.
        settings: How to look.

    Returns:
        `machine`, `observed_at` (UTC), `age` and `remaining` [life units], `failed` (whether the life ended in a
        failure, else `remaining` is to the end of observation), `mode`, then a column per input, such as
        `vibration_mm_s|32 rows|slope` [healthy standard deviations], as float32.
    """
    names = [SEPARATOR.join((f.signal, f.scale, f.statistic)) for f in features_of(normaliser, settings=settings)]
    values = extract(life, normaliser=normaliser, settings=settings).astype(np.float32)
    known = pd.DataFrame(
        {
            "machine": pd.Categorical([life.machine] * len(life)),
            "observed_at": pd.to_datetime(life.observed_at_us, unit="us", utc=True).as_unit("us"),
            "age": life.age_units,
            "remaining": life.remaining_units,
            "failed": life.failed,
            "mode": life.mode,
        }
    )
    return pd.concat([known, pd.DataFrame(values, columns=names)], axis=1)
