"""A writer on a folder of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plant.clock import PlantClock
from store.embedded.writer import EmbeddedWriter, open_writer
from store.settings import StoreSettings
from tests.contract.batches import PLANT

Open = Callable[..., EmbeddedWriter]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the store is."""
    return tmp_path / "site"


@pytest.fixture
def open_store(folder: Path) -> Iterator[Open]:
    """Opens a writer on the folder with some settings; whatever is still open at the end is closed."""
    opened: list[EmbeddedWriter] = []

    def open_it(**settings: float) -> EmbeddedWriter:
        opened.append(open_writer(folder, plant=PLANT, clock=PlantClock(), settings=StoreSettings(**settings)))
        return opened[-1]

    yield open_it
    for writer in opened:
        writer.close()
