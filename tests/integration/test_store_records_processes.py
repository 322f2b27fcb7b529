"""The records file under several processes at once."""

from pathlib import Path

from store.records import Records, records_url
from tests.integration.test_store_kills import start


def test_records_lose_nothing_when_three_processes_write_at_once(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    records = Records(records_url(path))
    before = records.version()
    names = [f"role {index}" for index in range(3)]
    writers = [start("note", path, name, 40) for name in names]
    taken = []
    while any(writer.poll() is None for writer in writers):
        taken += records.take_requests()
    for writer in writers:
        output, errors = writer.communicate()
        assert writer.returncode == 0, errors
        assert output == "40\n"
    taken += records.take_requests()
    assert sorted(request.job for request in taken) == sorted(names * 40)
    assert [records.noted(name) for name in names] == [{"number": 39}] * 3
    assert records.version() > before
    records.close()
