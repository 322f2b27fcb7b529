"""The Model page's content: per machine class what is in use, how it measured, what it learned from and what moved."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from analytics.versions import HeldOutAlerts, HeldOutBin, Version
from linewright.console.models import ModelFacts
from linewright.console.views.machine_view import sentence_of
from linewright.console.words import MISSING, Mark, Tone, hours, moment, money, number, percent, signal_title
from linewright.settings.site import Site
from plant.assets import MachineClass
from plant.risks import Cause, Risk
from store.books.entries import AuditLine, ModelUse

ROWS_SHOWN: Final = 10
"""Of versions, uses and labels, the newest."""
CAUSES: Final = {
    Cause.SENSOR_FAULT: Mark(word="Sensor fault", tone=Tone.WARN, hint="the sensor or its unit, not the machine"),
    Cause.NEW_REGIME: Mark(word="New regime", tone=Tone.WARN, hint="settings or a product that the model has not seen"),
    Cause.DRIFT: Mark(word="Drift", tone=Tone.INFO, hint="moved slowly and not towards a failure"),
    Cause.DEGRADATION: Mark(word="Degradation", tone=Tone.BAD, hint="wear; the only one that raises the risk"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionRow:
    """One version with what was measured on lives that it did not learn from."""

    version: str
    data_to: str
    numbers: tuple[str, ...]
    """Failures, average precision, Brier score, ECE."""
    calibrated: str
    state: Mark


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows of plain text, and how many older ones are left out."""

    rows: tuple[tuple[str, ...], ...]
    older: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DiagnosisRow:
    """A signal that is not as it was."""

    machine: str
    """Address of its page ends in it."""
    label: str
    cause: Mark
    signal: str
    sentence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassView:
    """One machine class."""

    name: str
    machines: str
    state: Mark
    nothing: str
    """Where no model is in use: what counts instead and what is missing; else empty."""
    facts: tuple[tuple[str, str, str], ...]
    """(name, value, what it means) of the model in use."""
    verdict: str
    """What the last training decided and why; empty: none was told."""
    reliability: tuple[HeldOutBin, ...]
    reliability_note: str
    alerts: tuple[HeldOutAlerts, ...]
    alerts_note: str
    versions: tuple[VersionRow, ...]
    older_versions: int
    uses: Table
    labels: Table
    diagnoses: tuple[DiagnosisRow, ...]
    moved: str
    """The diagnoses of the class in a sentence."""


def model_view(site: Site, facts: ModelFacts, *, risks: Mapping[str, Risk]) -> tuple[ClassView, ...]:
    """The whole page, by machine class.

    Args:
        site: Whose machines and policy.
        facts: As read from registry and records.
        risks: The newest of each machine.
    """
    return tuple(_class_view(site, each, facts, risks) for each in site.plant.classes)


def _class_view(site: Site, machine_class: MachineClass, facts: ModelFacts, risks: Mapping[str, Risk]) -> ClassView:
    name, zone = machine_class.name, site.plant.timezone
    machines = {each.name: each.label for each in site.plant.machines if each.machine_class == name}
    mine = sorted((e for e in facts.versions if e.machine_class == name), key=lambda e: e.created_at, reverse=True)
    in_use = next((each for each in mine if each.current), None)
    uses = [use for use in facts.uses if use.machine_class == name]
    found = [label for label in reversed(facts.labels) if label.machine in machines]
    learned = facts.learned.get(name, frozenset())
    diagnoses = tuple(
        DiagnosisRow(
            machine=machine,
            label=label,
            cause=CAUSES[each.cause],
            signal=signal_title(each.signal),
            sentence=sentence_of(each.sentence),
        )
        for machine, label in machines.items()
        for each in (risks[machine].diagnoses if machine in risks else ())
    )
    waiting = {line.detail.split(": ", 2)[1] for line in _told(facts, name, "challenger waits")}
    used = {use.version for use in uses}
    return ClassView(
        name=name,
        machines=f"{len(machines)} machine{'' if len(machines) == 1 else 's'}",
        state=_state(in_use),
        nothing="" if in_use else _nothing(site, machine_class, registered=len(mine)),
        facts=_facts(in_use, uses_at=_since(uses, in_use, zone), zone=zone) if in_use else (),
        verdict=_verdict(facts, name, zone=zone),
        reliability=in_use.reliability if in_use else (),
        reliability_note=_reliability_note(in_use),
        alerts=in_use.alerts if in_use else (),
        alerts_note=_alerts_note(in_use, opens=site.alarms.open_probability, currency=site.plant.currency),
        versions=tuple(_version_row(each, waiting=waiting, used=used, zone=zone) for each in mine[:ROWS_SHOWN]),
        older_versions=max(len(mine) - ROWS_SHOWN, 0),
        uses=_table(
            (
                moment(use.at, timezone=zone),
                use.version,
                f"{use.how.replace('_', ' ').capitalize()} by {use.by}",
                sentence_of(use.reason) if use.reason else MISSING,
            )
            for use in uses
        ),
        labels=_table(
            (
                label.work_order,
                sentence_of(label.sentence.replace(label.machine, machines[label.machine], 1)),
                f"{label.left_out[:1].upper()}{label.left_out[1:]}"
                or ("Learned by the model in use" if label.work_order in learned else "From the next training on"),
            )
            for label in found
        ),
        diagnoses=diagnoses,
        moved=_moved(
            diagnoses,
            assessed=sum(e in risks for e in machines),
            asked=_told(facts, name, "training asked for"),
            zone=zone,
        ),
    )


def _state(in_use: Version | None) -> Mark:
    if in_use is None:
        return Mark(word="No model yet", tone=Tone.MUTED)
    return Mark(word="In use", tone=Tone.OK)


def _trust(version: Version) -> Mark:
    if version.calibrated:
        return Mark(word="Calibrated", tone=Tone.OK, hint="its probabilities were fitted to what happened")
    return Mark(word="Uncalibrated", tone=Tone.WARN, hint="too few failures to know how well its probabilities fit")


def _nothing(site: Site, machine_class: MachineClass, *, registered: int) -> str:
    if registered:
        return f"{registered} registered, none of them in use: linewright model promote {machine_class.name} VERSION."
    return (
        f"Until there is one, the mean time between failures of {number(machine_class.mtbf_h, digits=0)} h counts. "
        f"Training needs {site.model.training_failures} failures with readings before them; it runs each night, "
        f"or now with linewright model train."
    )


def _since(uses: Sequence[ModelUse], in_use: Version, zone: str) -> str:
    at = next((use.at for use in uses if use.version == in_use.version), None)
    return moment(at, timezone=zone) if at else "not noted"


def _facts(version: Version, *, uses_at: str, zone: str) -> tuple[tuple[str, str, str], ...]:
    metrics = version.metrics
    trust = _trust(version)
    within = hours(metrics["horizon_units"] * version.cycle_h)
    return (
        ("Version", version.version, "when it was trained, and the hash of its data"),
        ("In use since", uses_at, ""),
        ("Data up to", moment(version.data_cut_off, timezone=zone), "the newest reading it learned from"),
        (
            "Learned from",
            f"{number(metrics['failures'], digits=0)} failures in {number(metrics['lives'], digits=0)} lives",
            "a life runs from one renewal to the next",
        ),
        ("Probabilities", trust.word, trust.hint),
        (
            "Average precision",
            number(metrics["average_precision"], digits=2),
            f"failures within {within}; without a model {number(metrics['prevalence'], digits=2)}, at best 1",
        ),
        ("Brier score", number(metrics["brier"], digits=4), "mean squared error of the probability, at best 0"),
        ("ECE", number(metrics["ece"], digits=3), "mean distance of the diagram from its diagonal, at best 0"),
    )


def _reliability_note(version: Version | None) -> str:
    if version is None:
        return ""
    if not version.reliability:
        return "This version kept no held-out figures for the diagram; the next training will."
    within = hours(version.metrics["horizon_units"] * version.cycle_h)
    rows = sum(each.rows for each in version.reliability)
    return (
        f"On {number(rows, digits=0)} readings of held-out lives, failures within {within}. "
        "On the dashed line a probability says what happens; bars hold 95 % of resampled lives."
    )


def _alerts_note(version: Version | None, *, opens: float, currency: str) -> str:
    """What alerting would have been worth at the cheapest threshold and at the one that is set."""
    if version is None or not version.alerts:
        return ""
    best = min(version.alerts, key=lambda each: each.cost)
    now = min(version.alerts, key=lambda each: abs(each.threshold - opens))
    within = hours(version.metrics["horizon_units"] * version.cycle_h)
    set_one = "That is also what is set." if now is best else f"At {percent(opens)}, as set: {_worth(now, currency)}."
    return (
        f"On held-out lives, alerts on failures within {within}, counted for them up to twice as long before. "
        f"Cheapest at {percent(best.threshold)}: {_worth(best, currency)}. {set_one} "
        f"Without alerts: {money(best.never, currency=currency)}."
    )


def _worth(alerts: HeldOutAlerts, currency: str) -> str:
    caught = f"{alerts.caught} of {alerts.caught + alerts.missed} failures caught"
    lead = f", half of them {hours(alerts.median_lead_h)} or more ahead" if alerts.caught else ""
    return f"{caught}{lead}, {alerts.false} in vain, {money(alerts.cost, currency=currency)}"


def _version_row(version: Version, *, waiting: set[str], used: set[str], zone: str) -> VersionRow:
    metrics = version.metrics
    if version.current:
        state = Mark(word="In use", tone=Tone.OK)
    elif version.version in used:
        state = Mark(word="Used before", tone=Tone.MUTED)
    elif version.version in waiting:
        state = Mark(word="Waits", tone=Tone.INFO, hint="a challenger that has not earned its place")
    else:
        state = Mark(word="Registered", tone=Tone.MUTED, hint="never in use")
    return VersionRow(
        version=version.version,
        data_to=moment(version.data_cut_off, timezone=zone),
        numbers=(
            number(metrics["failures"], digits=0),
            number(metrics["average_precision"], digits=2),
            number(metrics["brier"], digits=4),
            number(metrics["ece"], digits=3),
        ),
        calibrated="yes" if version.calibrated else "no",
        state=state,
    )


def _told(facts: ModelFacts, machine_class: str, what: str) -> tuple[AuditLine, ...]:
    return tuple(line for line in facts.told if line.what == what and line.detail.startswith(f"{machine_class}: "))


def _verdict(facts: ModelFacts, machine_class: str, *, zone: str) -> str:
    """The newest word of a training on champion and challenger."""
    both = (*_told(facts, machine_class, "challenger promoted"), *_told(facts, machine_class, "challenger waits"))
    newest = max(both, key=lambda line: line.at, default=None)
    if newest is None:
        return ""
    _, version, reason = newest.detail.split(": ", 2)
    did = "came into use" if newest.what == "challenger promoted" else "waits as challenger"
    return f"Last training, {moment(newest.at, timezone=zone)}: {version} {did}: {reason.rstrip('.')}."


def _table(rows: Iterable[tuple[str, ...]]) -> Table:
    every = tuple(rows)
    return Table(rows=every[:ROWS_SHOWN], older=max(len(every) - ROWS_SHOWN, 0))


def _moved(diagnoses: Sequence[DiagnosisRow], *, assessed: int, asked: Sequence[AuditLine], zone: str) -> str:
    told = ""
    if asked:
        told = f" Training was asked for on {moment(asked[0].at, timezone=zone)}: {asked[0].detail.split(': ', 1)[1]}."
    if not assessed:
        return f"No machine of the class has been assessed yet; the work role looks every minute.{told}"
    if not diagnoses:
        return f"No signal stands out on the {assessed} machines that were assessed.{told}"
    parts = []
    for mark in CAUSES.values():
        touched = len({row.machine for row in diagnoses if row.cause == mark})
        if touched:
            parts.append(f"{mark.word.lower()} on {touched}")
    share = percent(len({row.machine for row in diagnoses}) / assessed)
    return f"Of {assessed} assessed machines {', '.join(parts)} ({share} with a finding).{told}"
