"""A long question on a page: its progress with a way to cancel it, then its answer with the time it was computed."""

from collections.abc import Callable

from linewright.console.context import Console
from linewright.console.desk import Answer, Desk, Job, State
from linewright.console.pages.parts import Rebuilt, Text, attribute, box, width
from linewright.console.views.question_view import Kind
from linewright.console.words import moment, number


def answers_of(
    console: Console, *, plan: str, kind: Kind, build: Callable[[Answer], None], title: str = "", nothing: str = ""
) -> Callable[[], None]:
    """Room for what is asked of a plan; returns what keeps it up to date, to be called about once a second.

    Args:
        console: With the desk that answers.
        plan: Number of the plan.
        kind: What kind of question is shown here.
        build: Shows an answer.
        nothing: What stands where nothing was answered yet.
        title: Only the question of this title; empty: all of the kind, the newest open and the others folded.
    """
    desk = console.desk
    moving: list[Callable[[], None]] = []

    def build_course(view: tuple[Job | None, State | None]) -> None:
        moving[:] = _course(desk, *view)

    course = Rebuilt(box("slot", role="status"), build_course)

    def build_all(answers: tuple[Answer, ...]) -> None:
        if not answers and nothing:
            Text("p", nothing, "note")
        for place, answer in enumerate(answers):
            head = _computed(console, answer)
            if place == 0:
                with box("answer"):
                    Text("h3", answer.title)
                    build(answer)
                    Text("p", head, "note")
            else:
                with box("checks", tag="details"):
                    Text("summary", f"{answer.title} ({head})")
                    build(answer)

    shown = Rebuilt(box("slot"), build_all)

    def refresh() -> None:
        job = desk.job_of(plan, kind, title)
        course.show((job, job.state if job else None))
        for move in moving:
            move()
        mine = (a for a in desk.kept.get(plan, ()) if a.kind is kind and title in ("", a.title))
        shown.show(tuple(mine))

    refresh()
    return refresh


def _course(desk: Desk, job: Job | None, state: State | None) -> list[Callable[[], None]]:
    """A question under way, or why there is no answer; returns what keeps its time up to date."""
    if job is None or state is State.ANSWERED:
        return []
    if not job.is_open:
        if state is State.FAILED:
            attribute(Text("p", job.sentence, "problem"), "role", "alert")
        else:
            Text("p", f"{job.question.title}: cancelled; nothing was kept.", "note")
        return []
    with box("asking"):
        Text("p", job.question.title, "asking-what")
        with box("bar", tag="span"):
            fill = box("bar-fill", tag="span")
        note = Text("p", "", "note")
        button = Text("button", "Cancel", "button")
        attribute(button, "type", "button")
        button.on("click", lambda: desk.cancel(job))

    def move() -> None:
        width(fill, min(job.spent_s / job.question.likely_s, 0.95))
        note.set_text(_standing(job.state, round(job.spent_s), job.question.likely_s))

    return [move]


def _standing(state: State | None, spent_s: int, likely_s: float) -> str:
    if state is State.WAITING:
        return "Waiting for the question before it; one is worked on at a time."
    if spent_s > likely_s:
        return f"Working for {spent_s} s, longer than usual: this machine is busy. You may leave the page."
    return f"Working for {spent_s} s; usually done within {likely_s:.0f} s. You may leave the page."


def _computed(console: Console, answer: Answer) -> str:
    at = moment(answer.at, timezone=console.site.plant.timezone, now=console.site.clock.now())
    return f"Computed at {at} plant time, in {number(answer.took_s, digits=0)} s"
