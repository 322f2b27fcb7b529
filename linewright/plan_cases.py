"""A plan with the facts it rests on: one of the site's records by its number, or a file of facts, planned anew."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from plant.errors import Fault, QuestionError
from plant.plans import Plan, SolveStatus

if TYPE_CHECKING:
    from optimizer.facts import PlanningFacts
    from store.records import Records

FILE_ENDINGS = (".json", ".toml")


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """What a question about a plan is asked of."""

    plan: Plan
    facts: "PlanningFacts"

    @property
    def has_plan(self) -> bool:
        """Whether there is anything to ask about."""
        return self.plan.status in (SolveStatus.OPTIMAL, SolveStatus.FEASIBLE)


def open_case(name: str, *, open_records: Callable[[], "Records"]) -> Case:
    """A plan by its number (empty: the newest), or of a facts file ending in `.json` or `.toml`, planned now.

    Raises:
        ConfigError: There is no such plan or file, the file does not fit, or it leads to no plan.
    """
    case = _of_file(Path(name)) if name.endswith(FILE_ENDINGS) else recorded_case(open_records(), number=name)
    if not case.has_plan:
        expected = "a plan to ask about; `linewright plan show` says why there is none."
        raise QuestionError((Fault(where=f"plan {case.plan.number}", found=case.plan.headline, expected=expected),))
    return case


def recorded_case(records: "Records", *, number: str) -> Case:
    """A plan of the records with its facts. Raises ConfigError where there is none of that number."""
    from optimizer.facts import facts_from_json

    plan = records.plan(number) if number else records.newest_plan()
    document = None if plan is None else records.plan_facts(plan.number)
    if plan is None or document is None:
        expected = "the number of a plan; `linewright plan list` shows those there are."
        raise QuestionError((Fault(where="plan", found=number or "none made yet", expected=expected),))
    return Case(plan=plan, facts=facts_from_json(document))


def read_facts(file: Path) -> "PlanningFacts":
    """The facts of a JSON or TOML file. Raises ConfigError naming the field that does not fit."""
    from optimizer.facts import facts_from_json, facts_from_toml

    try:
        content = file.read_bytes()
        return facts_from_toml(content.decode()) if file.suffix == ".toml" else facts_from_json(content)
    except UnicodeDecodeError as error:
        found = f"byte 0x{content[error.start]:02x} at {error.start}"
        raise QuestionError(
            (Fault(where=str(file), found=found, expected="text in UTF-8; save it as such."),)
        ) from error
    except OSError as error:
        raise QuestionError((Fault(where=str(file), found=str(error.strerror), expected="a file to read."),)) from error
    except msgspec.DecodeError as error:
        expected = "planning facts as `linewright plan solve --schema` describes them."
        raise QuestionError((Fault(where=str(file), found=str(error), expected=expected),)) from error


def _of_file(file: Path) -> Case:
    from linewright.pipeline import propose

    facts = read_facts(file)
    plan = propose(facts, number=file.stem, created_at=facts.start, reason=f"on demand, from {file.name}")
    return Case(plan=plan, facts=facts)
