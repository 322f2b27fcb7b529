"""The panel of what chance makes of a plan, as the plan page and the Questions page show it."""

from linewright.console.pages.parts import Text, box, link, panel, table, width
from linewright.console.views.replay_view import LIKELY, ReplayView
from linewright.console.words import percent


def build_replay(view: ReplayView | None) -> None:
    """The panel of the plan page."""
    if view is None:
        return
    with panel("What chance makes of it", note=view.note):
        show_replay(view)
        if not view.others:
            link("Compare it with doing as today", f"/questions?plan={view.plan}")


def show_replay(view: ReplayView) -> None:
    """Cost, lateness and energy over many courses of luck, orders at risk, and other practices on the same luck."""
    for sentence in view.sentences:
        Text("p", sentence, "answer-sentence")
    with box("plan-figures"):
        for title, value, detail in view.figures:
            with box("big"):
                Text("div", title, "total-title")
                Text("div", value, "total-value")
                Text("div", detail, "total-detail")
    likely = percent(LIKELY, digits=0)
    if view.orders:
        _, body = table(("Order", "Chance of being in time", ""), css="costs", label="Orders at risk", numbers=("",))
        with body:
            for order, words, ratio in view.orders:
                with box(tag="tr"):
                    Text("td", order)
                    with box(tag="td"), box("bar", tag="span"):
                        width(box("bar-fill", tag="span"), ratio)
                    Text("td", words, "num")
        Text("p", f"Every other order is in time in {likely} of the courses or more.", "note")
    else:
        Text("p", f"● Every order is in time in {likely} of the courses or more.", "note")
    if view.others:
        columns = ("On the same luck", "Mean cost", "Costs more than this plan (95 % interval)")
        _, body = table(columns, label="Other practices", numbers=columns[1:])
        with body:
            for row in view.others:
                with box(tag="tr"):
                    for column, text in enumerate(row):
                        Text("td", text, "num" if column else "")
