"""What surrounds every page: name, navigation, freshness of the data, plant clock, trouble and banner."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo

from fastapi import Request
from nicegui import ui
from nicegui.element import Element

from linewright.console.context import Console, Visitor, freshness
from linewright.console.pages.parts import Rebuilt, Text, attribute, box, link, tone_of
from linewright.console.snapshot import Banner
from linewright.console.words import Tone, moment, number

log = logging.getLogger(__name__)

PAGES = (
    ("Plant", "/"),
    ("Alerts", "/alerts"),
    ("Plan", "/plan"),
    ("Questions", "/questions"),
    ("What if", "/whatif"),
    ("Model", "/model"),
    ("Ledger", "/ledger"),
)
BANNER_PAGE = "/"
"""Elsewhere the page itself is the evidence."""
_BANNER_TONES = {"risk": Tone.BAD, "alert": Tone.BAD, "plan": Tone.INFO, "avoided": Tone.OK}
_SWITCH_THEME = """() => {
  const next = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
  document.cookie = 'linewright_theme=' + next + '; path=/; max-age=31536000; samesite=strict';
  location.reload();
}"""


def visitor(request: Request) -> Visitor:
    """What the browser remembers, from its cookies."""
    return Visitor(
        dark=request.cookies.get("linewright_theme") == "dark",
        name=unquote(request.cookies.get("linewright_name", ""))[:60],
    )


def remember_name(name: str) -> None:
    """Let the browser remember a name for the next acknowledgement or decision."""
    cookie = f"linewright_name={quote(name[:60], safe='')}; path=/; max-age=31536000; samesite=strict"
    ui.run_javascript(f"document.cookie = {json.dumps(cookie)}")


@contextmanager
def page_frame(
    console: Console, *, active: str, title: str, dark: bool
) -> Iterator[Callable[[Callable[[], None]], None]]:
    """The frame of a page; its content is built inside.

    Args:
        console: Where the data comes from.
        active: Address of the page in the navigation.
        title: For the window and for screen readers.
        dark: Whether the dark theme was chosen.

    Yields:
        A function that takes what to call after each change of the snapshot, and calls it once right away.
    """
    ui.page_title(f"{title} – Linewright")
    if dark:
        ui.add_head_html('<script>document.documentElement.dataset.theme = "dark"</script>')
    attribute(link("Skip to the content", "#main", "skip"), "tabindex", "0")
    tick = _header(console, active, dark)
    listeners: list[Callable[[], None]] = []

    def listen(listener: Callable[[], None]) -> None:
        listeners.append(listener)
        listener()

    main = box("main", label=title, role="region")
    attribute(main, "id", "main")
    with main:
        trouble = Rebuilt(box("trouble-slot", role="alert"), _build_trouble)
        alarms = Rebuilt(box("trouble-slot", role="alert"), _build_alarms)
        banner = Rebuilt(box("banner-slot"), _build_banner)
        yield listen

    seen = {"revision": -1}

    def update() -> None:
        tick()
        if console.feed.revision == seen["revision"]:
            return
        seen["revision"] = console.feed.revision
        trouble.show(console.feed.snapshot.trouble)
        ledger = console.feed.snapshot.ledger
        alarms.show(() if ledger is None else ledger.problems)
        banner.show(console.feed.snapshot.banner if active == BANNER_PAGE else None)
        for listener in listeners:
            listener()

    update()
    ui.timer(1.0, update)


def _header(console: Console, active: str, dark: bool) -> Callable[[], None]:
    plant, clock = console.site.plant, console.site.clock
    with box("header", tag="header"):
        with box("brand"):
            attribute(link("Linewright", "/", "brand-name"), "aria-label", "Linewright, to the plant")
            Text("span", f"{plant.enterprise} · {plant.site}", "brand-site")
        with box("nav", tag="nav", label="Pages"):
            counts = [_nav_link(name, href, active) for name, href in PAGES]
        with box("vitals"):
            live = box("live tone-muted", tag="span")
            with live:
                attribute(Text("span", "", "pulse"), "aria-hidden", "true")
                age_text = Text("span", "")
            clock_text = Text("span", "", "clock")
            attribute(clock_text, "title", f"Plant time, {plant.timezone}")
            if clock.speed != 1.0:
                faster = Text("span", f"×{number(clock.speed, digits=0)}", "speed")
                attribute(faster, "title", "Plant seconds per second: this plant runs on a faster clock")
            theme = Text("button", "Light" if dark else "Dark", "quiet")
            attribute(theme, "aria-label", f"Switch to the {'light' if dark else 'dark'} theme")
            attribute(theme, "type", "button")
            theme.on("click", js_handler=_SWITCH_THEME)

    def tick() -> None:
        text, tone = freshness(console)
        age_text.set_text(text)
        tone_of(live, tone, css="live")
        now = clock.now()
        zone = f"{now.astimezone(ZoneInfo(plant.timezone)):%Z}"
        clock_text.set_text(f"{moment(now, timezone=plant.timezone)} {zone}")
        alerts = len(console.feed.snapshot.open_alerts())
        counts[1].set_text(str(alerts) if alerts else "")

    tick()
    return tick


def _nav_link(name: str, href: str, active: str) -> Text:
    anchor: Element = link("", href, "nav-link")
    if href == active:
        attribute(anchor, "aria-current", "page")
    with anchor:
        Text("span", name)
        return Text("span", "", "count")


def _build_trouble(sentence: str) -> None:
    if sentence:
        with box("trouble"):
            Text("strong", "Readings cannot be shown now. ")
            Text("span", f"{sentence.replace('`', '')} This page tries again every second.")


def _build_alarms(sentences: tuple[str, ...]) -> None:
    for sentence in sentences:
        with box("trouble"):
            Text("strong", sentence.replace("`", ""))


def _build_banner(banner: Banner | None) -> None:
    if banner is None:
        return
    tone = _BANNER_TONES.get(banner.kind, Tone.INFO)
    with box(f"banner tone-{tone.value}", tag="section", label="What matters now"):
        attribute(Text("span", tone.sign, "banner-sign"), "aria-hidden", "true")
        Text("p", banner.sentence, "banner-sentence")
        if banner.href:
            link("See the evidence", banner.href, "banner-link")
