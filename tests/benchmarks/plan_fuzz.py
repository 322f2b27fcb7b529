"""Damaged planning facts, models and expressions: each is refused by name or solved and checked, and nothing ever runs.

`python tests/benchmarks/plan_fuzz.py [--items 10000] [--seed 1]` prints what became of them; exit code 1 on any breach.
"""

import argparse
import copy
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "optimizer"))

import msgspec
from optimizer_plants import START, tiny_facts
from optimizer_rules import all_rules_facts, assembly_facts, changing_facts, family_facts, hard_facts, short_facts

from optimizer.certify import recompute
from optimizer.expressions.model import read_model
from optimizer.expressions.parse import ExpressionError, number, parse
from optimizer.expressions.solve import Answered, solve_model
from optimizer.facts import FixedLot, FixedMaintenance, facts_from_json, facts_to_json
from optimizer.problem import build_problem
from optimizer.solve import solve
from plant.errors import ConfigError
from plant.plans import SolveStatus

MODELS = Path(__file__).resolve().parents[2] / "deploy" / "models"
RULES = (hard_facts, family_facts, assembly_facts, short_facts, all_rules_facts, changing_facts)
SOLVE_S, MODEL_S = 0.4, 0.3
"""CPU time of a search."""
SLOW_S = 20.0
"""Longer than this counts as hung."""
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 1e-300, 1e300, -1e300, 2**63, 10**400, 0.1 + 0.2, "", "x", "L1", "\x00", "😀", "9" * 400,
    [], [[]], {}, {"a": 1}, "2026-11-22T05:00:00Z", "2026-11-22T05:30:00Z", "2026-11-22T05:00:00",
    "9999-12-31T23:59:59Z", "__import__('os').system('touch /tmp/linewright-fuzz-ran')",
)  # fmt: skip
FLOATS_END = 10**300
MARK = Path("/tmp/linewright-fuzz-ran")
LANGUAGE = """x y on 1 2.5 0 -3 1e9 9**9**9 ( ) + - * / ** , <= >= == if else for in sum min max exp log sqrt abs pwl
    [ ] x.y lambda: __class__ () f'{x}' 1_0 0x1f None True ... := @ % // and not x[0] [x]"""
WORDS = tuple(LANGUAGE.split())


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--items", type=int, default=10_000)
    arguments.add_argument("--seed", type=int, default=1)
    given = arguments.parse_args()
    began = time.process_time()
    counts, breaches = fuzz(given.items, seed=given.seed)
    for (kind, outcome), count in sorted(counts.items()):
        print(f"{kind:<12} {outcome:<28} {count:>6}")
    print(f"{sum(counts.values())} items in {time.process_time() - began:.0f} CPU s, {len(breaches)} breaches")
    for breach in breaches[:20]:
        print(breach)
    return int(bool(breaches))


def fuzz(items: int, *, seed: int) -> tuple[Counter[tuple[str, str]], list[str]]:
    """What became of so many items: half expressions, a quarter each of facts and models; and every breach."""
    MARK.unlink(missing_ok=True)
    chance = random.Random(seed)
    counts: Counter[tuple[str, str]] = Counter()
    breaches: list[str] = []
    kinds: tuple[tuple[str, Callable[[random.Random], tuple[str, str]]], ...] = (
        ("expression", expression),
        ("facts", facts),
        ("expression", expression),
        ("model", model),
    )
    for index in range(items):
        kind, attempt = kinds[index % len(kinds)]
        state = chance.randrange(2**60)
        began = time.process_time()
        try:
            outcome, breach = attempt(random.Random(state))
        except (Exception, RecursionError, MemoryError) as error:
            outcome, breach = "crash", repr(error)[:200]
        if (took := time.process_time() - began) > SLOW_S:
            breach = f"took {took:.0f} s"
        if MARK.exists():
            breach = "code was run"
            MARK.unlink()
        counts[kind, outcome] += 1
        if breach:
            breaches.append(f"{kind} {state}: {breach}")
    return counts, breaches


def facts(chance: random.Random) -> tuple[str, str]:
    """Planning facts with one to three fields damaged, or as they are."""
    whole = tiny_facts(chance.randrange(50), horizon_h=chance.randrange(2, 9), lines=chance.randrange(1, 3), machines=1)
    if chance.random() < 0.5:  # hard limits, families, components and rework, overtime, or all of them
        whole = chance.choice(RULES)(chance.randrange(50))
    if chance.random() < 0.3 and "nut" in {c.product for c in whole.capabilities if c.line == "A0"}:
        lot = FixedLot(line="A0", product="nut", start=START, end=START.replace(hour=6), gross_units=5.0)
        fixed = FixedMaintenance(machine="A0-0", starts=())
        whole = replace(whole, fixed_lots=(lot,), fixed_maintenance=(fixed,))
    document = json.loads(facts_to_json(whole))
    for _ in range(chance.randrange(4)):
        damage(document, chance)
    text = json.dumps(document).encode()
    if chance.random() < 0.1:
        at = chance.randrange(len(text))
        text = text[:at] + bytes([chance.randrange(256)]) + text[at + chance.randrange(3) :]
    try:
        read = facts_from_json(text)
        policy = replace(read.policy, time_limit_s=min(read.policy.time_limit_s, SOLVE_S))
        problem = build_problem(replace(read, policy=policy))
    except ConfigError as error:
        return "refused", "" if all(
            fault.where and fault.expected for fault in error.faults
        ) else "a fault names no field"
    except msgspec.DecodeError as error:
        return "refused", "" if str(error) else "no sentence"
    plan = solve(problem, number="P", created_at=START, reason="fuzz")
    if plan.status in (SolveStatus.INFEASIBLE, SolveStatus.NONE):
        withheld = plan.certificate is not None and not plan.certificate.checked
        return ("withheld" if withheld else "no plan, said why"), "" if plan.headline else "no plan and no word"
    certificate = plan.certificate
    if certificate is None or not certificate.checked:
        return "plan", "an unchecked plan"
    if recompute(problem.facts, plan) != certificate:
        return "plan", "the certificate does not follow from facts and plan"
    return "plan, checked", ""


def model(chance: random.Random) -> tuple[str, str]:
    """A model of the examples, its text damaged."""
    path = chance.choice(sorted(MODELS.iterdir()))
    lines = path.read_text(encoding="utf-8").splitlines()
    for _ in range(chance.randrange(4)):
        at = chance.randrange(len(lines))
        line = lines[at]
        cut = chance.randrange(len(line) + 1)
        word = chance.choice([*WORDS, str(chance.choice(VALUES))[:60]])
        lines[at] = chance.choice(
            [line[:cut] + word + line[cut:], line[:cut] + line[cut + 1 :], line[:cut], "", line * 2]
        )
    try:
        read = read_model("\n".join(lines), where=path.name)
        found = solve_model(read, time_limit_s=MODEL_S, gap=1e-2)
    except ConfigError as error:
        return "refused", "" if all(
            fault.where and fault.expected for fault in error.faults
        ) else "a fault names no field"
    if found.objective is None:
        return f"no point: {found.status.value}", ""
    size = max([1.0, *(abs(value) for value in found.values.values())])
    if max(found.residuals.values()) > 1e-5 * size:
        return "answer", "a rule is broken at the answer"
    sign = -1.0 if read.maximize else 1.0
    if found.bound is not None and sign * (found.objective - found.bound) < -1e-5 * max(abs(found.objective), 1.0):
        return "answer", f"the objective {found.objective} is beyond its bound {found.bound}"
    if found.status is Answered.PROVED and found.gap is None:
        return "answer", "proved without a gap"
    return f"answer: {found.status.value}", ""


def expression(chance: random.Random) -> tuple[str, str]:
    """Words of the language and some that are none."""
    if chance.random() < 0.5:
        text = grown(chance, depth=chance.randrange(1, 6))
        if chance.random() < 0.3:
            at = chance.randrange(len(text))
            text = text[:at] + chance.choice(WORDS) + text[at + chance.randrange(2) :]
    else:
        text = " ".join(chance.choices(WORDS, k=chance.randrange(1, 14)))
    try:
        tree = parse(text, frozenset({"x", "y", "on"}))
    except ExpressionError as error:
        return "refused", "" if str(error) else "no sentence"
    value = number(tree, {"x": 0.5, "y": 2.0, "on": 1.0})
    return "read", "" if isinstance(value, float) else "no number"


def grown(chance: random.Random, *, depth: int) -> str:
    """A sound expression."""
    if depth == 0:
        return chance.choice(("x", "y", "on", "0", "1", "2.5", "1e9", "1e-9"))
    a, b = (grown(chance, depth=depth - 1) for _ in range(2))
    return chance.choice(
        (f"({a} + {b})", f"({a} - {b})", f"{a} * {b}", f"({a}) / ({b})", f"({a}) ** ({b})", f"-({a})", f"exp({a})",
         f"log({a})", f"sqrt({a})", f"abs({a})", f"max({a}, {b})", f"({a} if {b} <= x else {b})", f"sum({a}, {b})",
         f"pwl({a}, 0, 1, 2, 3)")
    )  # fmt: skip


def damage(document: Any, chance: random.Random) -> None:
    """Replaces, removes, doubles or changes one value somewhere inside."""
    path = list(chance.choice(list(_places(document))))
    holder = document
    for step in path[:-1]:
        holder = holder[step]
    last = path[-1]
    match chance.randrange(5):
        case 0:
            del holder[last]
        case 1 if isinstance(holder, list):
            holder.append(copy.deepcopy(holder[last]))
        case 2 if type(holder[last]) in (int, float) and abs(holder[last]) < FLOATS_END:
            holder[last] = holder[last] * chance.choice([-1, 0, 1e-6, 0.5, 2, 1e6])
        case _:
            holder[last] = copy.deepcopy(chance.choice(VALUES))


def _places(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        yield (*path, key)
        yield from _places(value, (*path, key))


if __name__ == "__main__":
    sys.exit(main())
