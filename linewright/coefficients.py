"""The plant's coefficients corrected by what was really made: planned against actual rate, scrap and energy.

The configuration stays as it is. Corrections are kept in the records with what was before, what is now and how much
evidence there is; planning uses them until somebody switches them back.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Final

import msgspec

from analytics.coefficients import Measured, corrected_value, measure_line
from linewright.settings.site import Site
from plant.assets import SignalRole
from plant.production import Capability
from plant.signals import Aggregation
from store.contract import ReadingStore
from store.records import Records

NOTE: Final = "coefficients"
SPAN: Final = timedelta(days=14)
"""What was made in it corrects; older practice may have changed."""
EVERY: Final = timedelta(hours=24)
STEP: Final = timedelta(minutes=10)
LEAST_H: Final = 8.0
"""Running hours of a product, about a shift, below which nothing is corrected [h]."""
PRIOR_H: Final = 8.0
"""Running hours that a configured value is worth [h]."""
MOST_RATIO: Final = 2.0
"""A rate or energy further off than this factor speaks of a wrong counter or setting, and is only told."""
MOST_SCRAP: Final = 0.5
TOLD_CHANGE: Final = 0.01
"""A correction that moves by less is not worth a line in the audit [ratio]."""
FIELDS: Final = {"rate": "rate_per_h", "scrap": "scrap_ratio", "energy": "energy_kwh_per_unit"}
UNITS: Final = {"rate": "units/h", "scrap": "of gross units", "energy": "kWh/unit"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Correction:
    """One coefficient before and after."""

    line: str
    product: str
    what: str
    """`rate`, `scrap` or `energy`."""
    before: float
    """As configured."""
    observed: float
    after: float
    hours: float
    """Running hours behind it, n [h]."""
    units: float
    """Gross units made in them."""
    refused: str = ""
    """Why it is not used; empty: it is."""
    switched_back: str = ""
    """Who switched it back; empty: nobody."""

    @property
    def name(self) -> str:
        """How commands call it, e.g. `L1/gear/rate`."""
        return f"{self.line}/{self.product}/{self.what}"

    @property
    def used(self) -> bool:
        """Whether planning uses it."""
        return not self.refused and not self.switched_back

    @property
    def sentence(self) -> str:
        """For people: before, after, n, and whether planning uses it."""
        unit = UNITS[self.what]
        use = f"not used: {self.refused}" if self.refused else f"switched back by {self.switched_back}"
        return (
            f"{self.name}: {self.before:.4g} -> {self.after:.4g} {unit} (observed {self.observed:.4g}; "
            f"n = {self.hours:.1f} running h, {self.units:.0f} units)" + ("" if self.used else f"; {use}")
        )


def corrections(records: Records) -> tuple[Correction, ...]:
    """The corrections as last measured."""
    noted = records.noted(NOTE) or {}
    off: dict[str, str] = noted.get("off", {})
    found = msgspec.convert(noted.get("corrections", []), type=tuple[Correction, ...])
    return tuple(replace(each, switched_back=off.get(each.name, "")) for each in found)


def corrected_capabilities(site: Site, records: Records) -> tuple[Capability, ...]:
    """The line's capabilities as planning is to use them."""
    used = {
        (each.line, each.product, each.what): each
        for each in corrections(records)
        if each.used and each.before == _configured(site, each)  # a changed configuration speaks for itself
    }
    found = []
    for capability in site.capabilities:
        changes = {
            field: used[key].after
            for what, field in FIELDS.items()
            if (key := (capability.line, capability.product, what)) in used
        }
        found.append(replace(capability, **changes) if changes else capability)  # type: ignore[arg-type]  # FIELDS names numbers only
    return tuple(found)


def correct_coefficients(site: Site, *, store: ReadingStore, records: Records, now: datetime) -> tuple[Correction, ...]:
    """Measure the last two weeks and keep what they correct."""
    before = {each.name: each for each in corrections(records)}
    found = [
        correction for measured in measured_lines(site, store=store, now=now) for correction in _of(site, measured)
    ]
    noted = records.noted(NOTE) or {}
    kept = [asdict(replace(each, switched_back="")) for each in found]
    records.note(NOTE, {"at": now.isoformat(), "corrections": kept, "off": noted.get("off", {})})
    for each in found:
        known = before.get(each.name)
        was = known.after if known is not None else each.before
        if not each.refused and abs(each.after - was) > TOLD_CHANGE * max(abs(was), 1e-9):
            records.audit("linewright", "coefficient corrected", at=now, detail=each.sentence)
    return corrections(records)


def are_due(records: Records, *, now: datetime) -> bool:
    """Whether a day has passed since the last measurement."""
    at = (records.noted(NOTE) or {}).get("at")
    return at is None or now - datetime.fromisoformat(at) >= EVERY


def measured_lines(site: Site, *, store: ReadingStore, now: datetime) -> tuple[Measured, ...]:
    """What each line made of each product in the last two weeks."""
    found: list[Measured] = []
    for line in site.plant.lines:
        rates = {each.product: each.rate_per_h for each in site.capabilities if each.line == line.name}
        classes = [site.plant.class_of(machine.name) for machine in line.machines]
        state = classes[-1].signal(SignalRole.STATE)
        if not rates or state is None:
            continue
        names = [machine.name for machine in line.machines]
        ways = {each.name: Aggregation.DURATION for c in classes if (each := c.signal(SignalRole.STATE)) is not None}
        roles = (
            *(SignalRole.STATE, SignalRole.PRODUCT, SignalRole.GOOD_PARTS),
            *(SignalRole.SCRAP_PARTS, SignalRole.ENERGY),
        )
        wanted = {signal.name for c in classes for role in roles if (signal := c.signal(role)) is not None}
        windows = store.read(names, signals=sorted(wanted), start=now - SPAN, end=now, step=STEP, aggregation=ways)
        found += measure_line([windows[name] for name in names], line=line.name, classes=classes, rates=rates)
    return tuple(found)


def switch(records: Records, *, name: str, back: bool, by: str, at: datetime) -> tuple[Correction, ...]:
    """Switch corrections back to the configuration, or on again.

    Args:
        records: Where they are kept.
        name: `LINE/PRODUCT/WHAT`, the beginning of it (`LINE/PRODUCT`, `LINE`), or `all`.
        back: True: to the configured value.
        by: Who does it.
        at: Plant time.

    Raises:
        KeyError: no correction is called so.
    """
    chosen = [each for each in corrections(records) if name == "all" or f"{each.name}/".startswith(f"{name}/")]
    if not chosen:
        raise KeyError(f"No correction is called {name}; `linewright plan coefficients` shows those there are.")
    noted = records.noted(NOTE) or {}
    names = {each.name for each in chosen}
    off = {key: who for key, who in noted.get("off", {}).items() if key not in names}
    if back:
        off |= dict.fromkeys(names, by)
    records.note(NOTE, {**noted, "off": off})
    records.audit(by, "coefficients switched back" if back else "coefficients switched on", at=at, detail=name)
    return tuple(each for each in corrections(records) if each.name in names)


def _of(site: Site, measured: Measured) -> Sequence[Correction]:
    if measured.hours < LEAST_H or measured.gross <= 0:
        return ()
    observed = {"rate": measured.gross / measured.hours, "scrap": measured.scrap / measured.gross}
    if measured.energy_kwh is not None:
        observed["energy"] = measured.energy_kwh / measured.gross
    found = []
    for what, value in observed.items():
        draft = Correction(
            line=measured.line,
            product=measured.product,
            what=what,
            before=0.0,
            observed=value,
            after=0.0,
            hours=measured.hours,
            units=measured.gross,
        )
        before = _configured(site, draft)
        if before is None:
            continue
        after = corrected_value(before, observed=value, weight=measured.hours, prior=PRIOR_H)
        found.append(replace(draft, before=before, after=after, refused=_refusal(what, before, value)))
    return found


def _refusal(what: str, before: float, observed: float) -> str:
    if what == "scrap":
        return f"more than {MOST_SCRAP:.0%} scrap; look at the counters" if observed > MOST_SCRAP else ""
    if before > 0 and 1 / MOST_RATIO <= observed / before <= MOST_RATIO:
        return ""
    return f"off by more than a factor of {MOST_RATIO:g}; look at the counters and the configuration"


def _configured(site: Site, correction: Correction) -> float | None:
    for each in site.capabilities:
        if (each.line, each.product) == (correction.line, correction.product):
            return float(getattr(each, FIELDS[correction.what]))
    return None
