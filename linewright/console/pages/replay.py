"""The plan page's panel of what chance makes of the plan."""

from linewright.console.pages.parts import Text, box, panel, table
from linewright.console.views.replay_view import ReplayView


def build_replay(view: ReplayView | None) -> None:
    """Cost, lateness and energy over many paths, orders at risk, and other practices on the same paths."""
    if view is None:
        return
    with panel("What chance makes of it", note=view.note):
        with box("plan-figures"):
            for title, value, detail in view.figures:
                with box("big"):
                    Text("div", title, "total-title")
                    Text("div", value, "total-value")
                    Text("div", detail, "total-detail")
        if view.orders:
            _rows(("Order at risk", "Chance of being in time"), view.orders, label="Orders at risk")
        else:
            Text("p", "● Every order is likely to be in time.", "note")
        if view.others:
            columns = ("On the same paths", "Mean cost", "Costs more (95 % interval)")
            _rows(columns, view.others, label="Other practices")
        else:
            Text("p", "linewright plan replay compares it with other practices.", "note")


def _rows(columns: tuple[str, ...], rows: tuple[tuple[str, ...], ...], *, label: str) -> None:
    _, body = table(columns, label=label, numbers=columns[1:])
    with body:
        for row in rows:
            with box(tag="tr"):
                for column, text in enumerate(row):
                    Text("td", text, "num" if column else "")
