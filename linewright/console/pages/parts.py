"""The few building blocks of every page. Text is always set as text, never as markup."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

from linewright.console.words import Mark, Tone

View = TypeVar("View")


class Text(TextElement):
    """A tag with text; the text reaches the browser as a text node."""

    def __init__(self, tag: str, text: str, css: str = "") -> None:
        super().__init__(tag=tag, text=text)
        self.classes(css)


def box(css: str = "", *, tag: str = "div", label: str = "", role: str = "") -> Element:
    """An empty element to fill, used as a context.

    Args:
        css: Its classes.
        tag: Its HTML tag.
        label: What a screen reader calls it.
        role: Its ARIA role, where the tag has none.
    """
    element = Element(tag).classes(css)
    attribute(element, "aria-label", label)
    attribute(element, "role", role)
    return element


def attribute(element: Element, name: str, value: str) -> None:
    """Set an HTML attribute; whatever is in the value stays inside it. An empty value removes it."""
    if element.props.get(name, "") == value:
        return
    if value:
        element.props[name] = value
    else:
        element.props.pop(name, None)
    element.update()


def link(text: str, href: str, css: str = "") -> Text:
    """A link to another page of the console."""
    element = Text("a", text, css)
    attribute(element, "href", href)
    return element


@dataclass(slots=True)
class MarkChip:
    """A word with the sign and the colour of its meaning."""

    frame: Element
    sign: Text
    word: Text

    def show(self, mark: Mark) -> None:
        """Show another mark."""
        tone_of(self.frame, mark.tone, css="chip")
        self.sign.set_text(mark.tone.sign)
        self.word.set_text(mark.word)
        attribute(self.frame, "title", mark.hint)


def chip(mark: Mark) -> MarkChip:
    """A chip that can change."""
    frame = box("chip", tag="span")
    with frame:
        sign = Text("span", mark.tone.sign, "chip-sign")
        attribute(sign, "aria-hidden", "true")
        word = Text("span", mark.word)
    made = MarkChip(frame=frame, sign=sign, word=word)
    made.show(mark)
    return made


def tone_of(element: Element, tone: Tone, *, css: str) -> None:
    """Give an element its classes and its tone, if they changed."""
    wanted = f"{css} tone-{tone.value}"
    if " ".join(element.classes) != wanted:
        element.classes(replace=wanted)


def width(element: Element, ratio: float) -> None:
    """Set an element's width as a share of its parent."""
    style(element, {"width": f"{100 * min(max(ratio, 0.0), 1.0):.2f}%"})


def style(element: Element, wanted: dict[str, str]) -> None:
    """Set inline styles, if they changed."""
    if any(element.style.get(name) != value for name, value in wanted.items()):
        element.style(";".join(f"{name}: {value}" for name, value in wanted.items()))


@dataclass(slots=True)
class Rebuilt(Generic[View]):
    """A part of a page that is built anew when, and only when, what it shows has changed."""

    frame: Element
    build: Callable[[View], None]
    shown: list[View] = field(default_factory=list)

    def show(self, view: View) -> None:
        """Show a view."""
        if self.shown and self.shown[0] == view:
            return
        self.shown[:] = [view]
        self.frame.clear()
        with self.frame:
            self.build(view)


def panel(title: str, css: str = "", *, note: str = "") -> Element:
    """A titled surface; use the returned element as a context."""
    frame = box(f"panel {css}".strip(), tag="section", label=title)
    with frame, box("panel-head"):
        Text("h2", title)
        if note:
            Text("p", note, "note")
    return frame


def table(
    columns: tuple[str, ...], *, css: str = "", label: str, numbers: tuple[str, ...] = ()
) -> tuple[Element, Element]:
    """A table with its head; returns its frame and the body to fill. Columns of numbers stand right."""
    frame = box("table-frame")
    with frame, box(f"table {css}".strip(), tag="table", label=label):
        with box(tag="thead"), box(tag="tr"):
            for column in columns:
                attribute(Text("th", column, "num" if column in numbers else ""), "scope", "col")
        body = box(tag="tbody")
    return frame, body


def empty(sentence: str, hint: str = "") -> None:
    """What stands where there is nothing to show yet."""
    with box("empty", role="status"):
        Text("p", sentence, "empty-what")
        if hint:
            Text("p", hint, "empty-next")
