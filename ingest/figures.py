"""What an ingestor measures of its own work: how long a message waits until it is durable, and what a commit takes."""

from bisect import bisect_left
from typing import Final

BOUNDS_S: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Upper bounds of the histogram's bins [s]; one more holds what took longer."""


class Figures:
    """Counts since the start; each number only grows."""

    def __init__(self) -> None:
        self.batches = 0
        """Batches kept."""
        self.messages = 0
        """Messages kept."""
        self._bins = [0] * (len(BOUNDS_S) + 1)
        self._waited_s = 0.0
        self._commit_s = 0.0

    def kept(self, *, messages: int, waited_s: float, commit_s: float) -> None:
        """Note a batch that is durable now.

        Args:
            messages: How many it settled.
            waited_s: Since its first message was read from the wire: the longest any of them waited [s].
            commit_s: Of it, in the store [s].
        """
        self.batches += 1
        self.messages += messages
        self._bins[bisect_left(BOUNDS_S, waited_s)] += 1
        self._waited_s += waited_s
        self._commit_s += commit_s

    @property
    def durable(self) -> dict[str, object]:
        """Batches by how long their first message waited until it was durable, as plain values.

        >>> figures = Figures()
        >>> figures.kept(messages=3, waited_s=0.03, commit_s=0.01)
        >>> figures.durable["bins"][:4], figures.durable["sum_s"]
        ([0, 0, 1, 0], 0.03)
        """
        return {
            "bounds_s": list(BOUNDS_S),
            "bins": list(self._bins),
            "sum_s": round(self._waited_s, 6),
            "commit_sum_s": round(self._commit_s, 6),
        }
