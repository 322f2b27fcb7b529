"""What a mirror remembers, and the settings it is opened with."""

from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from plant.errors import Unavailable
from store.influx import book as books
from store.influx.book import Account, MirrorBook, RefusedLine
from store.influx.settings import InfluxSettings


def test_book_keeps_cursor_counts_and_dead_letters_of_each_sink(tmp_path: Path) -> None:
    book = MirrorBook(tmp_path / "mirror.db", sink="a")
    assert book.account() == Account(until_us=None, sent=0, refused=0)
    book.confirm(until_us=10, sent=3, refused=[RefusedLine(at_us=1, line="x", reason="bad")])
    book.confirm(until_us=5, sent=4)  # the cursor never goes back
    book.close()
    book = MirrorBook(tmp_path / "mirror.db", sink="a")
    assert book.account() == Account(until_us=10, sent=7, refused=1)
    assert book.refused() == [RefusedLine(at_us=1, line="x", reason="bad")]
    other = MirrorBook(tmp_path / "mirror.db", sink="b")
    assert (other.account().until_us, other.refused()) == (None, [])
    other.close()
    book.close()


def test_book_drops_the_oldest_dead_letters_and_counts_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "REFUSED_KEPT", 3)
    book = MirrorBook(tmp_path / "mirror.db", sink="a")
    for number in range(5):
        book.confirm(until_us=0, sent=0, refused=[RefusedLine(at_us=number, line=str(number), reason="bad")])
    assert [each.line for each in book.refused()] == ["4", "3", "2"]
    assert book.account().refused == 5
    book.close()


def test_book_says_where_it_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"Cannot use .*mirror\.db"):
        MirrorBook(tmp_path / "absent" / "mirror.db", sink="a")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"url": "influx:8086"}, "http or https"),
        ({"url": "http://"}, "http or https"),
        ({"url": "http://me:secret@influx:8086"}, "user name"),
        ({"token": "a", "token_file": "b"}, "not both"),
        ({"retry_min_s": 5, "retry_max_s": 1}, "must not be below"),
        ({"late_h": 1000}, "168"),
    ],
)
def test_settings_refuse_what_cannot_work(given: dict[str, object], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        InfluxSettings.model_validate(given)


def test_settings_take_the_token_from_environment_or_file_and_never_show_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\nmore\n")
    assert InfluxSettings(token_file=tmp_path / "token").token_text() == "s3cret"
    settings = InfluxSettings(token=SecretStr("s3cret"))
    assert settings.token_text() == "s3cret"
    assert "s3cret" not in repr(settings)
    assert InfluxSettings().token_text() == ""
    assert InfluxSettings().address == "http://127.0.0.1:8086 linewright/plant"
