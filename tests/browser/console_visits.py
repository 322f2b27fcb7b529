"""A served console and the tabs that visit it, for the tests in a real browser."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from playwright.sync_api import BrowserContext, Page, expect

from linewright.settings.site import Site
from plant.clock import PlantClock
from store.embedded.writer import EmbeddedWriter

expect.set_options(timeout=20_000)  # a busy machine serves a click late; what is asserted stays

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
FILTER = "acme/linz/+/+/+/telemetry"
HERE = Path(__file__).parent


@dataclass
class Served:
    """A seeded site, its writer, and the address of its console."""

    site: Site
    writer: EmbeddedWriter
    run: str
    url: str


@dataclass
class Visit:
    """A tab with everything that it asked for and complained about."""

    page: Page
    url: str
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> Page:
        """Go to a page of the console and wait until it is live."""
        self.page.goto(self.url + path)
        expect(self.page.locator("#main")).to_be_visible()
        return self.page

    def keep(self, name: str) -> None:
        """Keep a screenshot for people to look at."""
        folder = Path(os.environ.get("LINEWRIGHT_SCREENSHOTS") or seed_folder())
        folder.mkdir(parents=True, exist_ok=True)
        self.page.evaluate("window.scrollTo(0, 0)")
        self.page.screenshot(path=folder / f"{name}.png", full_page=True)


def seed_folder() -> Path:
    """Where screenshots go when nobody asked for them."""
    return Path(tempfile.gettempdir()) / "linewright-screenshots"


def watched(context: BrowserContext, url: str) -> Visit:
    """A tab that is listened to."""
    visit = Visit(page=context.new_page(), url=url)
    visit.page.on("request", lambda request: visit.requests.append(request.url))
    visit.page.on("websocket", lambda socket: visit.requests.append(socket.url))
    visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    visit.page.on(
        "console", lambda said: visit.complaints.append(said.text) if said.type in ("error", "warning") else None
    )
    return visit


class Serving:
    """The console of a folder in a process of its own, stopped by SIGTERM."""

    def __init__(self, folder: Path, *, port: int, clock: PlantClock) -> None:
        self.folder, self.port, self.clock = folder, port, clock
        self.url = f"http://127.0.0.1:{port}"

    def __enter__(self) -> str:
        document = {name: getattr(self.clock, name) for name in ("plant_epoch_us", "wall_epoch_us", "speed")}
        command = [sys.executable, str(HERE / "console_serve.py"), str(self.folder), str(self.port)]
        self.log = (self.folder / "serve.log").open("wb")
        self.process = subprocess.Popen(
            [*command, json.dumps(document)], cwd=HERE.parents[1], stdout=self.log, stderr=self.log
        )
        wait_until_served(f"{self.url}/healthz", self.process, log=self.folder / "serve.log")
        return self.url

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        code = self.process.wait(20)
        self.log.close()
        said = (self.folder / "serve.log").read_text()
        assert code == 0, said
        assert "Traceback" not in said, said


def answer_of(url: str, **headers: str) -> tuple[int, dict[str, object]]:
    """Status and document of an answer in JSON."""
    try:
        with urlopen(Request(url, headers=headers), timeout=10) as answer:
            return answer.status, json.loads(answer.read())
    except HTTPError as error:
        with error:
            return error.code, {}


def text_of(url: str) -> tuple[int, str]:
    """Status and text of an answer."""
    with urlopen(url, timeout=10) as answer:
        return answer.status, answer.read().decode()


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_served(url: str, process: "subprocess.Popen[bytes]", *, log: Path) -> None:
    """Wait until a console that was started answers."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(url, timeout=5) as answer:
                assert answer.status == 200
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the console did not start: {log.read_text()}")
