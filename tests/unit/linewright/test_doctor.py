"""The doctor tries each part for real and says what to do."""

import socket
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from linewright.doctor import check_broker, check_console, check_names, check_solver, examine
from linewright.doctor_data import check_models, check_store
from linewright.findings import Finding, Level
from linewright.settings.loading import load
from linewright.settings.site import Site
from linewright.settings.template import write_template
from plant.clock import PlantClock
from plant.production import Capability
from store.embedded.writer import open_writer


@pytest.fixture
def site(tmp_path: Path, free_port: int) -> Site:
    path = write_template(tmp_path / "site", broker_port=free_port)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        environ = {"LINEWRIGHT_CONSOLE__PORT": str(probe.getsockname()[1])}
    return load(path, environ)


def faults(findings: tuple[Finding, ...]) -> list[Finding]:
    return [finding for finding in findings if finding.level is Level.FAULT]


def test_examine_of_a_fresh_site_finds_no_fault_and_every_part(site: Site) -> None:
    findings = examine(site)
    assert faults(findings) == []
    assert {finding.check for finding in findings} >= {
        "configuration",
        "broker",
        "store",
        "solver",
        "planning",
        "model",
        "names",
        "console",
        "clock",
    }
    assert all(finding.sentence.strip() for finding in findings)
    assert all(finding.next_step for finding in findings if finding.level is not Level.OK)


def test_examine_repeats_the_configurations_warnings(tmp_path: Path) -> None:
    path = write_template(tmp_path)
    path.write_text(path.read_text().replace("due_in_h = 10 }", "due_at = 2020-01-01 }"))
    (finding,) = [each for each in examine(load(path, {})) if "O-1001" in each.sentence]
    assert finding.level is Level.WARNING
    assert finding.sentence.endswith("it is planned as late.")
    assert finding.next_step == "Correct its due date, or remove the order if it is done."


def test_check_broker_says_that_nobody_answers(site: Site, free_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("linewright.doctor.BROKER_TIMEOUT_S", 0.5)
    away = replace(site, broker=site.broker.model_copy(update={"embedded": False, "port": free_port}))
    (finding,) = check_broker(away)
    assert finding.level is Level.FAULT
    assert f"127.0.0.1:{free_port}" in finding.sentence
    assert "[broker]" in finding.next_step


def test_check_broker_says_that_another_program_has_the_embedded_brokers_port(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("linewright.doctor.BROKER_TIMEOUT_S", 0.5)
    with socket.create_server(("127.0.0.1", site.broker.port)):
        (finding,) = check_broker(site)
    assert finding.level is Level.FAULT
    assert "Another program has port" in finding.next_step


def test_check_console_finds_a_taken_port(site: Site) -> None:
    with socket.create_server(("127.0.0.1", site.console.port)):
        (finding,) = check_console(site)
    assert (finding.level, finding.next_step) == (Level.FAULT, "Choose another [console] port.")


def test_check_store_tells_what_is_kept(site: Site) -> None:
    open_writer(site.data, plant=site.plant, clock=PlantClock()).close()
    assert [finding.level for finding in check_store(site)] == [Level.OK, Level.OK]
    (site.data / "hot.db").write_bytes(b"not a database" * 100)
    findings = list(check_store(site))
    assert findings[-1].level is Level.FAULT
    assert "backup" in findings[-1].next_step


def test_check_store_says_that_the_folder_cannot_be_made(site: Site) -> None:
    site.data.parent.mkdir(exist_ok=True)
    blocked = replace(site, data=Path("/proc/linewright"))
    (finding,) = check_store(blocked)
    assert finding.level is Level.FAULT
    assert "/proc cannot be written" in finding.sentence


def test_check_models_finds_a_broken_model(site: Site) -> None:
    folder = site.data / "models" / "press"
    folder.mkdir(parents=True)
    (folder / "current.json").write_text('{"history": ["press-1"]}')
    without, broken = check_models(site)
    assert (without.level, broken.level) == (Level.WARNING, Level.FAULT)
    assert "mill, oven, packer" in without.sentence
    assert broken.sentence.startswith("press: ")
    assert "rollback" in broken.next_step
    (folder / "current.json").write_text("{")
    assert [finding.level for finding in check_models(site)] == [Level.WARNING, Level.FAULT]


def test_check_solver_names_what_cannot_be_planned(site: Site) -> None:
    wrong = Capability(
        line="L9", product="gear", rate_per_h=1, scrap_ratio=0, energy_kwh_per_unit=0, setup_h=0, setup_cost=0
    )
    findings = list(check_solver(replace(site, capabilities=(*site.capabilities, wrong))))
    assert findings[0].level is Level.OK
    assert "HiGHS" in findings[0].sentence
    assert findings[1].level is Level.FAULT
    assert "L9" in findings[1].sentence
    (_, finding) = check_solver(replace(site, capabilities=()))
    assert finding.level is Level.WARNING


def test_check_names_finds_a_package_that_hides_a_room(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "optimizer", raising=False)
    (finding,) = faults(tuple(check_names(site)))
    assert "`optimizer`" in finding.sentence


def test_examine_starts_no_thread_that_stays(site: Site) -> None:
    before = threading.active_count()
    examine(site)
    assert threading.active_count() == before
