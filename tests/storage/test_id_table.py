"""Tables by utterance id: bisection, memory mapping, and columns as mappings."""

from pathlib import Path

import pyarrow as pa
import pytest

from benchmark.storage.id_table import Column, IdTable

# Code point order: capitals before small letters, ä (U+00E4) behind z.
IDS = ["Z", "a", "a b", "a/b", "z", "ä", "日本"]


def table(order: list[str]) -> IdTable:
    texts = {"Z": "one", "a": "", "a b": None, "a/b": "two", "z": "three", "ä": None, "日本": "four"}
    columns = {"utterance_id": order, "text": [texts[name] for name in order], "n": [len(o) for o in order]}
    return IdTable(pa.table(columns))


@pytest.fixture
def mapped(tmp_path: Path) -> IdTable:
    table(IDS[::-1]).save(tmp_path / "t.arrow", {"fact": "7"})
    return IdTable.open(tmp_path / "t.arrow")


def test_every_id_is_found_and_no_other(mapped: IdTable) -> None:
    assert mapped.ids.to_pylist() == IDS and mapped.facts == {"fact": "7"}
    assert [mapped.find(name) for name in IDS] == list(range(7))
    assert [mapped.find(name) for name in ("", "A", "a a", "zz", "日本語")] == [None] * 5
    assert mapped.row(3) == {"utterance_id": "a/b", "text": "two", "n": 3}
    assert [row["n"] for row in mapped.rows(at=slice(1, 4))] == [1, 3, 3]
    assert mapped.numbers("n").tolist() == [1, 1, 3, 3, 1, 1, 2]


def test_a_column_holds_the_texts_that_are_there(mapped: IdTable) -> None:
    column = Column(mapped, "text")
    assert dict(column) == {"Z": "one", "a/b": "two", "z": "three", "日本": "four"}
    assert len(column) == 4 and "a" not in column and "a b" not in column and column.get("x") is None
    assert list(column.values()) == ["one", "two", "three", "four"]


def test_rows_of_another_table(mapped: IdTable) -> None:
    assert mapped.rows_of(table(IDS)).tolist() == list(range(7))
    other = IdTable(pa.table({"utterance_id": ["z", "q", "Z"]}))
    assert mapped.rows_of(other).tolist() == [0, -1, 4]


def test_repeated_ids_are_named() -> None:
    with pytest.raises(ValueError, match="repeated: a, z"):
        table(["z", "a", "Z", "a", "z"])


def test_the_file_may_go_once_it_is_open(tmp_path: Path) -> None:
    table(IDS).save(tmp_path / "t.arrow")
    opened = IdTable.open(tmp_path / "t.arrow")
    (tmp_path / "t.arrow").unlink()
    assert opened.find("日本") == 6
    assert not len(IdTable(pa.table({"utterance_id": pa.array([], pa.string())})))
