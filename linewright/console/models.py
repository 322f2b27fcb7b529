"""What the Model page reads: versions from their files, uses and labels from the records. No network is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from analytics.versions import Version, versions
from linewright.outcomes import Label, labels, learned_by
from linewright.settings.site import Site
from plant.errors import ConfigError
from store.books.entries import AuditLine, ModelUse
from store.records import Records

AUDIT_LINES: Final = 2000
"""Among which the verdicts of trainings are looked for."""
TOLD: Final = ("challenger promoted", "challenger waits", "training asked for")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFacts:
    """Everything kept about the models of a site."""

    versions: tuple[Version, ...] = ()
    uses: tuple[ModelUse, ...] = ()
    """Newest first."""
    told: tuple[AuditLine, ...] = ()
    """What trainings decided and why they were asked for, newest first."""
    labels: tuple[Label, ...] = ()
    """Oldest first."""
    learned: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Work orders that the version in use learned from, by machine class."""
    trouble: str = ""
    """Why a file of the registry cannot be read; empty: all can."""


def read_models(records: Records, *, site: Site) -> ModelFacts:
    """The facts as they are now."""
    trouble = ""
    found: list[Version] = []
    for machine_class in site.plant.classes:
        try:
            found += versions(site.data / "models", machine_class=machine_class.name)
        except ConfigError as broken:
            trouble = str(broken)
    return ModelFacts(
        versions=tuple(found),
        uses=records.model_uses(),
        told=tuple(line for line in records.audit_trail(AUDIT_LINES) if line.what in TOLD),
        labels=labels(records),
        learned={each.machine_class: learned_by(records, version=each.version) for each in found if each.current},
        trouble=trouble,
    )
