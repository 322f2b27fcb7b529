"""Changing a plan from the console or the API: in a process of its own, so that the pages keep answering."""

import asyncio
import sys
from typing import Final

import msgspec

from linewright.settings.site import Site

AT_ONCE: Final = asyncio.Semaphore(1)
"""A search takes a core; a second change waits."""
ALLOWANCE_S: Final = 60.0
"""Over the plan's own time limits, for starting, rounding and checking [s]."""


async def edit_in_process(site: Site, number: str, edits: tuple[str, ...], by: str, reason: str) -> tuple[bool, str]:
    """Runs `linewright plan edit`; whether a plan was kept, and its JSON document or the sentence why there is none."""
    words = ("plan", "edit", "--json", "--site", str(site.folder), f"--by={by}", f"--reason={reason}", "--", number)
    line = (sys.executable, "-m", "linewright", *words, *edits)
    async with AT_ONCE:
        process = await asyncio.create_subprocess_exec(
            *line, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            limit_s = 4.0 * site.planning.time_limit_s + ALLOWANCE_S
            out, told = await asyncio.wait_for(process.communicate(), limit_s)
        except TimeoutError:
            process.kill()
            await process.wait()
            return False, f"No plan was made within {limit_s:.0f} s. Fewer changes or a shorter horizon may help."
        except asyncio.CancelledError:
            process.kill()
            raise
    if out:
        document = msgspec.json.decode(out)
        return document["kept"], msgspec.json.encode(document["plan"]).decode() if document["kept"] else (
            document["sentence"]
        )
    lines = [each.strip() for each in told.decode(errors="replace").splitlines() if each.strip()]
    return False, " ".join(lines[1:] or lines) or f"The planner ended with code {process.returncode}."
