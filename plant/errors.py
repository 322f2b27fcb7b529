"""The two broken promises: a configuration that cannot run, and a neighbour that is away."""

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


class Unavailable(Exception):  # noqa: N818 - the house's word for a neighbour that is away
    """A broker, store or network neighbour is away; the caller tries again with backoff.

    The text says what, where, why and the next step.
    """
