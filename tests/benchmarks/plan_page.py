"""Pages of the planner's figures: commands replace what stands between their marks, the rest is written by hand."""

from pathlib import Path


def write_between_marks(path: Path, text: str, *, mark: str = "measured") -> None:
    """Replaces what stands between the marks of a name."""
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    head, rest = path.read_text(encoding="utf-8").split(begin, 1)
    _, tail = rest.split(end, 1)
    path.write_text(f"{head}{begin}\n{text}{end}{tail}", encoding="utf-8")
