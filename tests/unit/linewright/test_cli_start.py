"""The command line answers at once: it loads no heavy library before it needs one."""

import subprocess
import sys

HEAVY = ("torch", "pandas", "pulp", "highspy", "numpy", "pyarrow", "nicegui", "sqlalchemy", "scipy")


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys\n"
        "from linewright.__main__ import main\n"
        "sys.argv = ['linewright', '--help']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert end.code == 0\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "LOADED []" in run.stdout
    for command in (
        "init",
        "doctor",
        "run",
        "status",
        "demo",
        "simulate",
        "replay",
        "orders",
        "model",
        "plan",
        "ledger",
    ):
        assert command in run.stdout


def test_missing_configuration_is_one_clear_message(tmp_path: object) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "linewright", "status", "--site", str(tmp_path)], capture_output=True, text=True
    )
    assert run.returncode == 2
    assert "linewright.toml" in run.stderr
    assert "linewright init" in run.stderr
    assert "Traceback" not in run.stderr
