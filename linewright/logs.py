"""One line per event on standard error: time, level, event and its fields with units."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final

EMPTY: Final = logging.LogRecord("", 0, "", 0, "", (), None)
STANDARD_FIELDS: Final = frozenset(vars(EMPTY)) | {
    "message",
    "asctime",
    "taskName",
}


class EventFormatter(logging.Formatter):
    """Writes `2026-11-22T16:05:12Z INFO ingest batch_written samples=500 took_s=0.04`."""

    def __init__(self, role: str) -> None:
        super().__init__()
        self.role = role

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        fields = " ".join(f"{key}={_shown(value)}" for key, value in vars(record).items() if key not in STANDARD_FIELDS)
        line = f"{at} {record.levelname} {self.role} {record.getMessage()}"
        if fields:
            line = f"{line} {fields}"
        if record.exc_info:
            line = f"{line}\n{self.formatException(record.exc_info)}"
        return line


def configure(role: str, *, level: int = logging.INFO) -> None:
    """Send every event of this process to standard error; libraries only from WARNING on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(EventFormatter(role))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    for room in ("linewright", "ingest", "store", "analytics", "optimizer"):
        logging.getLogger(room).setLevel(level)
    # a run that is skipped because the last one still works is how the schedule is meant to be
    logging.getLogger("apscheduler").setLevel(logging.ERROR)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if any(c in text for c in ' "\n') or not text else text
