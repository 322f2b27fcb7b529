"""The broken promises: a configuration, question or file that does not fit, and a neighbour that is away."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One thing that is wrong with the configuration or with an imported record."""

    where: str
    """File with line or key path, e.g. `linewright.toml: lines[0].machines[2].class`."""
    found: str
    """The value as the author wrote it, shortened."""
    expected: str
    """What would be right, as a sentence for the author."""

    def __str__(self) -> str:
        return f"{self.where}: found {self.found}; {self.expected}"


class ConfigError(Exception):
    """The configuration cannot run; carries every fault found, and is raised before any connection opens."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self.faults = faults
        super().__init__("\n".join(str(fault) for fault in faults))

    @property
    def opening(self) -> str:
        """What a person reads before the faults."""
        return f"The configuration has {_count(self.faults)}; nothing was started."


class QuestionError(ConfigError):
    """A question, scenario or plan's number that does not fit what there is to ask about; nothing was computed."""

    @property
    def opening(self) -> str:
        """What a person reads before the faults."""
        return "This cannot be answered as it was asked; nothing was computed."


class DataError(ConfigError):
    """A file or folder given for this one piece of work that does not fit."""

    @property
    def opening(self) -> str:
        """What a person reads before the faults."""
        return f"What was given has {_count(self.faults)}; go on once that is mended."


class Unavailable(Exception):  # noqa: N818 - the house's word for a neighbour that is away
    """A broker, store or network neighbour is away; the caller tries again with backoff.

    The text says what, where, why and the next step.
    """


def _count(faults: tuple[Fault, ...]) -> str:
    """How many faults, in words.

    >>> _count((Fault(where="stock.csv", found="nothing", expected="a line"),))
    '1 fault'
    """
    return f"{len(faults)} fault{'s' if len(faults) != 1 else ''}"
