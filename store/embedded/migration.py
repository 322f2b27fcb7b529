"""From older formats of the folder to today's, in one transaction when the writer opens it."""

import sqlite3
from typing import Final

import msgspec

from plant.signals import LastValue
from store.embedded.stored_values import persisted_form

FROM_1: Final = (
    "ALTER TABLE segments ADD COLUMN checksum TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE segments ADD COLUMN rollups TEXT NOT NULL DEFAULT '{}'",
    "UPDATE segments SET level = 0",
    "CREATE TABLE newest (class TEXT PRIMARY KEY, body BLOB NOT NULL)",
    "CREATE TABLE damaged (file TEXT PRIMARY KEY, class TEXT NOT NULL, row_count INTEGER NOT NULL, "
    "start_us INTEGER NOT NULL, end_us INTEGER NOT NULL, why TEXT NOT NULL, found_us INTEGER NOT NULL)",
)

FROM_2: Final = (
    "ALTER TABLE counts ADD COLUMN in_flight INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE counts ADD COLUMN samples_received INTEGER NOT NULL DEFAULT 0",
    "UPDATE counts SET in_flight = received - stored - duplicate - quarantined, "
    "samples_received = samples_stored + samples_duplicate + samples_quarantined",
)


def from_format_1(connection: sqlite3.Connection) -> None:
    """Checksums and rollups come with the next compaction; last values move, under no class yet."""
    for statement in FROM_1:
        connection.execute(statement)
    values = [
        LastValue(machine=machine, signal=signal, value=entry[0], observed_at_us=entry[1], received_at_us=entry[2])
        for machine, body in connection.execute("SELECT machine, body FROM last_values")
        for signal, entry in msgspec.json.decode(body, type=dict[str, tuple[float | str, int, int]]).items()
    ]
    connection.execute("INSERT INTO newest (class, body) VALUES ('', ?)", (persisted_form(values),))
    connection.execute("DROP TABLE last_values")


FROM_3: Final = (
    "ALTER TABLE segments ADD COLUMN revisions INTEGER NOT NULL DEFAULT 0",
    "UPDATE segments SET rollups = '{}'",
    "CREATE TABLE rolled (id INTEGER PRIMARY KEY, class TEXT NOT NULL, level INTEGER NOT NULL, "
    "start_us INTEGER NOT NULL, end_us INTEGER NOT NULL, rollups TEXT NOT NULL)",
    "CREATE TABLE removals (id INTEGER PRIMARY KEY AUTOINCREMENT, at_us INTEGER NOT NULL, what TEXT NOT NULL, "
    "class TEXT NOT NULL, machine TEXT NOT NULL, start_us INTEGER NOT NULL, end_us INTEGER NOT NULL, "
    "row_count INTEGER NOT NULL, byte_count INTEGER NOT NULL)",
)


def from_format_2(connection: sqlite3.Connection) -> None:
    """Until then what was in flight, and what samples came, was what the other counts said."""
    for statement in FROM_2:
        connection.execute(statement)


def from_format_3(connection: sqlite3.Connection) -> None:
    """Rollups are made again, with durations, by the next compactions; their old files go as orphans."""
    for statement in FROM_3:
        connection.execute(statement)
