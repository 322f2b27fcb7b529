"""Pages of docs/benchmarks whose top a command writes, and whose rest was written by hand."""

from pathlib import Path


def write_top(path: Path, top: str, *, below: str) -> None:
    """Write the top of a page; what stands from the heading `below` on is kept."""
    page = path.read_text(encoding="utf-8") if path.is_file() else ""
    at = page.find(f"\n## {below}\n")
    path.write_text(top.rstrip() + "\n" + (page[at:] if at >= 0 else ""), encoding="utf-8")
