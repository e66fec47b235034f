import json
from pathlib import Path

import numpy as np
import pytest
from toys import Peak, Spelling

from benchmark.data.audio import AudioError
from benchmark.metrics.evaluation.score_log import Entry, ScoreLog


def test_what_was_added_is_read_back(tmp_path: Path) -> None:
    entries = {"a": Entry(0.1 + 0.2, 3.0, "what was said\n"), "b": Entry(reason="too short")}
    with ScoreLog(tmp_path / "scores") as journal:
        for name, entry in entries.items():
            journal.add(name, "k", entry)
        journal.add_value("a", Peak(), np.array([[0.1]], "float32"))
        journal.add_value("b", Peak(), AudioError("no peak"))
        journal.add_value("a", Spelling(), "één")
    read = ScoreLog(tmp_path / "scores")
    assert {name: read.entries[name, "k"] for name in entries} == entries
    value = read.value("a", Peak())
    assert isinstance(value, np.ndarray) and value.dtype == np.float32 and value == np.float32(0.1)
    assert str(read.value("b", Peak())) == "no peak" and isinstance(read.value("b", Peak()), AudioError)
    assert read.value("a", Spelling()) == "één" and read.value("b", Spelling()) is None


def test_several_writers_add_up(tmp_path: Path) -> None:
    with ScoreLog(tmp_path) as first, ScoreLog(tmp_path) as second:
        first.add("a", "k", Entry(1.0))
        second.add("b", "k", Entry(2.0))
    assert len(list(tmp_path.glob("*.jsonl"))) == 2
    assert ScoreLog(tmp_path).entries == {("a", "k"): Entry(1.0), ("b", "k"): Entry(2.0)}


@pytest.mark.parametrize(
    "torn", ['{"id": "c", "of": "k", "score": {"value": 1', '"text"', "{}", "\x00\x00", '{"id": 1}']
)
def test_a_torn_line_is_as_if_never_written(tmp_path: Path, torn: str) -> None:
    with ScoreLog(tmp_path) as journal:
        journal.add("a", "k", Entry(1.0))
    [path] = tmp_path.glob("*.jsonl")
    path.write_text(path.read_text() + torn)
    assert ScoreLog(tmp_path).entries == {("a", "k"): Entry(1.0)}


def test_a_whole_line_without_its_end_may_be_half_a_number(tmp_path: Path) -> None:
    line = json.dumps({"id": "a", "of": "k", "score": {"value": 1.0}})
    (tmp_path / "x.jsonl").write_text(line)
    assert ScoreLog(tmp_path).entries == {}


def test_a_missing_score_that_may_be_an_abstention_is_computed_again(tmp_path: Path) -> None:
    lines = [
        {"id": "a", "of": "k", "score": {"value": 1.0, "weight": 1.0, "text": None, "reason": ""}},
        {"id": "b", "of": "k", "score": {"value": None, "weight": 1.0, "text": None, "reason": "no voice"}},
    ]
    (tmp_path / "older.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert ScoreLog(tmp_path).entries == {("a", "k"): Entry(1.0)}
    abstained = Entry(reason="no voice", abstained=True)
    with ScoreLog(tmp_path) as journal:
        journal.add("b", "k", abstained)
    assert ScoreLog(tmp_path).entries["b", "k"] == abstained
