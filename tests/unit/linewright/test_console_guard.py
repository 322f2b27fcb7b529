"""Who may speak with the console, and what importing it costs."""

import subprocess
import sys

import pytest

from linewright.console.guard import refusal


@pytest.mark.parametrize(
    ("host", "origin", "loopback_only", "welcome"),
    [
        ("127.0.0.1:8420", None, True, True),
        ("localhost:8420", "http://localhost:8420", True, True),
        ("[::1]:8420", None, True, True),
        ("evil.example:8420", None, True, False),
        ("127.0.0.1:8420", "http://evil.example", True, False),
        ("127.0.0.1:8420", "http://127.0.0.1:9999", True, False),
        ("127.0.0.1:8420", "null", True, False),
        ("plant.example:8420", "https://plant.example:8420", False, True),
        ("plant.example:8420", "https://evil.example", False, False),
        ("", None, True, False),
    ],
)
def test_only_own_pages_are_welcome(host: str, origin: str | None, loopback_only: bool, welcome: bool) -> None:
    headers = [(b"host", host.encode())] + ([(b"origin", origin.encode())] if origin is not None else [])
    assert (refusal(headers, loopback_only=loopback_only) == "") is welcome


def test_console_brings_neither_torch_nor_the_solver() -> None:
    code = (
        "import sys, linewright.console.app; "
        "print(sorted({'torch', 'pulp', 'highspy', 'plotly', 'scipy'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert answer.stdout.strip() == "[]"
