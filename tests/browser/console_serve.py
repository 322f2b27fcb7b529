"""Serves the seeded site in a process of its own: `python console_serve.py FOLDER PORT CLOCK_JSON`."""

import json
import logging
import signal
import sys
import threading
from pathlib import Path

from console_seed import seeded_site

from linewright.console.app import serve
from plant.clock import PlantClock

if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    folder, port, clock = Path(sys.argv[1]), int(sys.argv[2]), PlantClock(**json.loads(sys.argv[3]))
    serve(seeded_site(folder, port=port, clock=clock), stop=stop)
