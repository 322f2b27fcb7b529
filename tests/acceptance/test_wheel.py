"""The wheel, installed into an environment of its own, runs from any folder."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the commands of a clean environment into which the built wheel was installed.

    The dependencies come from the environment of this test run, so that no network is needed; the project itself
    does not: a path file adds a folder of packages, but not what an editable install has put beside them.
    """
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(PROJECT)]
    subprocess.run(build, check=True, capture_output=True, text=True)
    (wheel,) = folder.glob("linewright-*.whl")
    environment = folder / "env"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", wheel], check=True)
    packages = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    (Path(packages) / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return environment / "bin"


def test_wheel_brings_every_room_and_its_files(installed: Path, tmp_path: Path) -> None:
    code = (
        "import linewright, ingest, store, analytics, optimizer, plant\n"
        "for room in (linewright, ingest, store, analytics, optimizer, plant): print(room.__file__)\n"
    )
    run = subprocess.run([installed / "python", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    for line in run.stdout.splitlines():
        assert Path(line).is_relative_to(installed.parent), f"{line} is not from the wheel"
        assert (Path(line).parent / "py.typed").exists()
    shell = Path(run.stdout.splitlines()[0]).parent
    assert (shell / "console" / "assets" / "console.css").exists()
    assert (shell / "settings" / "template.toml").exists()


def test_command_writes_and_examines_a_site_from_another_folder(installed: Path, tmp_path: Path) -> None:
    made = subprocess.run([installed / "linewright", "init", "site"], cwd=tmp_path, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "site" / "linewright.toml").exists()
    seen = subprocess.run(
        [installed / "linewright", "doctor", "--site", "site"], cwd=tmp_path, capture_output=True, text=True
    )
    assert "solver" in seen.stdout, seen.stdout + seen.stderr
    assert "Traceback" not in seen.stderr
