"""Every fault at once, with file, key, line, what was found and what would be right."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from linewright.settings.loading import load
from linewright.settings.site import Site
from linewright.settings.template import template_text
from plant.errors import ConfigError, Fault

TEXT = template_text()


def faults_of(folder: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    path = folder / "linewright.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path, environ or {})
    return [str(fault) for fault in caught.value.faults]


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


CASES = [
    # what is written, what instead, where, what is said
    ('enterprise = "acme"', 'enterprize = "acme"', "plant.enterprize", "did you mean 'enterprise'?"),
    ('enterprise = "acme"', 'enterprize = "acme"', "plant.enterprise", "`enterprise` is required"),
    ('timezone = "Europe/Vienna"', 'timezone = "Europe/Viena"', "plant.timezone", "did you mean 'Europe/Vienna'?"),
    ('currency = "EUR"', 'currency = "Euro"', "plant.currency", "ISO 4217"),
    ('quantity = "vibration"', 'quantity = "vibratoin"', "plant.signals[0].quantity", "did you mean 'vibration'?"),
    ('role = "power"', 'role = "powr"', "plant.signals[3].role", "did you mean 'power'?"),
    ("valid_min = -20, valid_max = 400", "valid_min = 400, valid_max = -20", "plant.signals[1]", "must be below"),
    ('name = "current_a"', 'name = "temperature_c"', "plant.signals[2].name", "is already at plant.signals[1]"),
    ('name = "current_a"', 'name = "machine"', "plant.signals[2]", "is a column of every table"),
    ('"current", valid_min', '"current", unit = "kW", valid_min', "plant.signals[2]", "use one of A, mA"),
    ('role = "scrap_parts"', 'role = "good_parts"', "plant.signals[7].role", "is already at plant.signals[6]"),
    ("mtbf_h = 320.0 ", "mtbf_h = 0 ", "plant.classes[0].mtbf_h", "found 0; must be above 0"),
    ("mtbf_h = 320.0 ", 'mtbf_h = "many" ', "plant.classes[0].mtbf_h", "found 'many'; must be a number"),
    ('"Press 1", class = "press"', '"Press 1", class = "pres"', "plant.lines[0].machines[0].class", "mean 'press'?"),
    ('"L1-mill"', '"l1-PRESS"', "plant.lines[0].machines[1].name", "must differ in more than capitals"),
    ('"L1-mill"', '"L1/mill"', "plant.lines[0].machines[1].name", "since it is a level of MQTT topics"),
    ('name = "L3"', 'name = "L4"', "production.capabilities[8].line", "no line of that name in plant.lines"),
    ("rate_per_h = 110, scrap_ratio = 0.02", "rate_per_h = 110, scrap_ratio = 2",
     "production.capabilities[0].scrap_ratio", "must be below 1"),
    ('product = "gear", quantity', 'product = "gaer", quantity', "demand.orders[1].product", "did you mean 'gear'?"),
    ('number = "O-1002"', 'number = "O-1001"', "demand.orders[1].number", "is already at demand.orders[0]"),
    ("due_in_h = 10 }", "due_in_h = 10, due_at = 2026-12-24T14:00:00 }", "demand.orders[0]", "either due_at"),
    ("due_in_h = 10 }", "due_at = 20261224 }", "demand.orders[0].due_at", "must be a time such as"),
    ("flange = 160", "flanges = 160", "demand.stock.flanges", "did you mean 'flange'?"),
    ("flange = 160", "flange = -1", "demand.stock.flange", "must be at least 0"),
    ('name = "late", start_hour = 14', 'name = "late", start_hour = 24', "calendar.shifts[1].start_hour", "at most 23"),
    ("weekdays = [0, 1, 2, 3, 4] }", "weekdays = [1, 7] }", "tariff.bands[1].weekdays[1]", "must be at most 6"),
    ("co2_kg_per_kwh = [\n", "co2_kg_per_kwh = [ 0.1,\n", "tariff", "has 25 numbers; give one, or 24"),
    ("horizon_h = 48 ", "horizon_h = 4800 ", "planning.horizon_h", "must be at most 336"),
    ("close_probability = 0.25", "close_probability = 0.75", "alarms", "must be below open_probability"),
    ("[alarms]", "[alarm]", "alarm", "did you mean 'alarms'?"),
    ("port = 18830", "port = 188300", "broker.port", "must be at most 65535"),
    ("port = 18830", 'port = 18830\npassword = "x"', "broker.password", "set LINEWRIGHT_BROKER__PASSWORD"),
    ("port = 18830", 'port = 18830\npassword_file = "none"', "broker.password_file", "cannot be read (No such file"),
    ('time_unit = "ms"', 'time_unit = "mss"', "ingest.mappings[0].time_unit", "one of s, ms, us, ns, iso, none"),
    ('time_unit = "ms"', 'time_unit = "ms"\nunits = { powr_kw = "W" }', "ingest.mappings[0].units.powr_kw",
     "did you mean 'power_kw'?"),
    ('time_unit = "ms"', 'time_unit = "ms"\nunits = { power_kw = "A" }', "ingest.mappings[0].units.power_kw",
     "does not measure power; use one of kW, W, MW"),
    ("\n[simulator]\n", '\n[simulator]\nworn = { machine = "L2-pres", mode = "bearing" }\n', "simulator.worn.machine",
     "name one of the machines"),
    ("\n[simulator]\n", '\n[simulator]\nworn = { mode = "seel" }\n', "simulator.worn.mode", "bearing, seal"),
    ("demo = false", "demo = 3", "demo", "must be true or false"),
    ("[store]", '[webhook]\nurl = "ftp://x"\n[store]', "webhook", "must be an http or https address"),
    ("[store]", '[webhook]\nurl = "http://x"\n[store]', "webhook", "exactly one secret"),
    ("[store]", '[webhook]\nurl = "http://x"\nsecret = "x"\n[store]', "webhook.secret",
     "set LINEWRIGHT_WEBHOOK__SECRET"),
    ("[store]", '[topics]\nplan = "linewright/+/plan"\n[store]', "topics", "must be one topic without"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "instead", "where", "says"), CASES)
def test_load_says_where_and_what_would_be_right(
    tmp_path: Path, written: str, instead: str, where: str, says: str
) -> None:
    text = TEXT.replace(written, instead, 1)
    assert text != TEXT
    faults = faults_of(tmp_path, text)
    there = [
        fault for fault in faults if fault.startswith((f"linewright.toml: {where} (", f"linewright.toml: {where}:"))
    ]
    assert there, faults
    assert any(says in fault for fault in there), there


def test_load_names_the_line_of_each_fault(tmp_path: Path) -> None:
    text = TEXT.replace('"Press 2", class = "press"', '"Press 2", class = "presss"')
    (fault,) = faults_of(tmp_path, text)
    assert f"plant.lines[1].machines[0].class (line {line_of(text, 'presss')}): found 'presss'" in fault


def test_load_reports_all_faults_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = TEXT
    wanted = [case for case in CASES if case[2].split(".")[0] in ("broker", "planning", "calendar", "demand")]
    chosen = {case[0]: case for case in wanted}
    for written, instead, _, _ in chosen.values():
        text = text.replace(written, instead, 1)
    faults = faults_of(tmp_path, text)
    assert len(faults) >= len(chosen)
    lines = [int(found) for fault in faults for found in re.findall(r"\(line (\d+)\):", fault)]
    assert lines == sorted(lines)
    assert {case[2].split(".")[0] for case in chosen.values()} <= {
        fault.split(": ")[1].split(".")[0] for fault in faults
    }


def test_load_blames_the_environment_for_its_own_faults(tmp_path: Path) -> None:
    environ = {
        "LINEWRIGHT_BROKER__PORT": "many",
        "LINEWRIGHT_BROKR__HOST": "x",
        "LINEWRIGHT_PLANT__LINES__9__NAME": "x",
    }
    faults = faults_of(tmp_path, TEXT, environ)
    assert "environment LINEWRIGHT_BROKER__PORT: found 'many'; must be a whole number" in "\n".join(faults)
    assert any("no place plant.lines[9].name" in fault for fault in faults)
    assert any("did you mean 'broker'?" in fault for fault in faults)


def test_load_never_shows_a_secret(tmp_path: Path) -> None:
    text = TEXT.replace("port = 18830", 'port = 18830\npassword = "hunter2"\nusername = "x"')
    text += '\n[webhook]\nurl = "http://x"\nsecret = "hunter2"\n'
    assert "hunter2" not in "\n".join(faults_of(tmp_path, text, {"LINEWRIGHT_BROKER__PASSWORD": "hunter2"}))


def test_load_says_when_there_is_no_file_or_no_toml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="linewright init"):
        load(tmp_path / "linewright.toml", {})
    assert "line 2" in faults_of(tmp_path, "a = 1\nb = = 2\n")[0]
    (tmp_path / "linewright.toml").write_bytes(b"a = '\xff'")
    with pytest.raises(ConfigError, match="UTF-8"):
        load(tmp_path / "linewright.toml", {})


def test_load_needs_a_plant(tmp_path: Path) -> None:
    faults = faults_of(tmp_path, "")
    assert any("plant.timezone: found nothing; `timezone` is required" in fault for fault in faults)
    assert faults_of(tmp_path, "plant = 3")[0].startswith("linewright.toml: plant (line 1): found 3; must be a table")


LINES = [index for index, line in enumerate(TEXT.splitlines()) if "=" in line and not line.startswith("#")]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(LINES), st.sampled_from(["''", "-1", "[]", "{}", "true", "'x'", "1e9", "2026-01-01", "nan"]))
def test_load_answers_any_slip_with_faults_or_a_site(tmp_path: Path, index: int, value: str) -> None:
    lines = TEXT.splitlines()
    lines[index] = re.sub(r"= *(\"[^\"]*\"|[\w.]+)", lambda _: f"= {value}", lines[index], count=1)
    path = tmp_path / "linewright.toml"
    path.write_text("\n".join(lines))
    faults: tuple[Fault, ...] | None = None
    try:
        assert isinstance(load(path, {}), Site)
    except ConfigError as error:
        faults = error.faults
    assert faults != ()
    for fault in faults or ():
        assert fault.where.startswith(("linewright.toml: ", str(path)))
        assert fault.found
        assert fault.expected
