import json
import logging
import os
import subprocess
import sys
from dataclasses import replace

import pandas as pd
import pytest

from benchmark.errors import UserError
from benchmark.results.row import SCHEMA_VERSION, Row
from benchmark.results.store import ResultsStore

JOB = ("reconstruction", "mel_rvq", "synthetic", 0)
METRICS = {"wer": "", "pesq": ""}
ONE = {"wer": ""}


@pytest.fixture
def results(tmp_path):
    return ResultsStore(tmp_path / "mini")


@pytest.fixture
def rows(make_row):
    return [make_row(metric="wer"), make_row(metric="pesq", value=1.9)]


@pytest.fixture
def scores():
    return pd.DataFrame({"utterance_id": ["a", "b"], "speaker_id": ["s", "t"], "wer": [0.0, float("nan")]})


def rows_file(results):
    return results.root / "rows" / "reconstruction__mel_rvq__synthetic__seed0.jsonl"


def utterances_file(results):
    return results.root / "utterances" / "reconstruction__mel_rvq__synthetic__seed0.parquet"


def present(_reference):
    return True


def test_written_is_read(results, rows, scores):
    results.write(rows, scores)
    assert results.job(*JOB) == results.rows() == sorted(rows, key=lambda row: row.metric)
    pd.testing.assert_frame_equal(results.utterances(*JOB), scores)
    assert sorted(path.name for path in rows_file(results).parent.iterdir()) == [rows_file(results).name]


def test_a_job_replaces_its_own_rows_only(results, rows, scores, make_row):
    results.write([make_row(tokenizer="opus")], scores)
    results.write(rows, scores)
    results.write([make_row(metric="stoi", value=0.9)], scores)
    assert [(row.tokenizer, row.metric) for row in results.rows()] == [("mel_rvq", "stoi"), ("opus", "wer")]


def test_every_truncation_counts_as_missing(results, rows, scores, make_row, caplog):
    results.write(rows, scores)
    results.write([make_row(tokenizer="opus")], scores)
    whole = rows_file(results).read_bytes()
    line_ends = [place + 1 for place, byte in enumerate(whole) if byte == ord("\n")]
    assert len(line_ends) == 3
    for length in [0, 1, len(whole) // 2, *line_ends[:-1], len(whole) - 10]:
        rows_file(results).write_bytes(whole[:length])
        caplog.clear()
        assert [row.tokenizer for row in results.rows()] == ["opus"]
        assert "damaged" in caplog.text and rows_file(results).name in caplog.text
        assert not results.finished(*JOB, "k1", METRICS, present)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("seed", "abc"),
        ("seed", None),
        ("split", 3),
        ("versions", ["python"]),
        ("wall_time", "long"),
        ("artifacts", 3),
        ("value", "12"),
        ("display", "text"),
        ("display", {"label": "WER"}),
        ("notes", []),
    ],
)
def test_a_poisoned_row_is_named_and_left_out(results, rows, scores, make_row, caplog, name, value):
    results.write([make_row(tokenizer="opus")], scores)
    results.write(rows, scores)
    first, *others = rows_file(results).read_text().splitlines()
    poisoned = json.dumps(json.loads(first) | {name: value})
    rows_file(results).write_text("\n".join([poisoned, *others]) + "\n")
    assert [row.tokenizer for row in results.merge()] == ["opus"]
    assert rows_file(results).name in caplog.text and "damaged" in caplog.text
    with pytest.raises((ValueError, TypeError)):
        make_row(**{name: value})


def test_a_deeply_nested_row_is_left_out(results, rows, scores, caplog):
    results.write(rows, scores)
    end = rows_file(results).read_text().splitlines()[-1]
    rows_file(results).write_text("[" * 100_000 + "\n" + end + "\n")
    assert results.rows() == [] and rows_file(results).name in caplog.text


def test_a_job_that_lost_a_row_counts_as_missing(results, rows, scores, caplog):
    results.write(rows, scores)
    lines = rows_file(results).read_text().splitlines(keepends=True)
    rows_file(results).write_text("".join(lines[1:]))
    assert results.rows() == [] and "1 rows, not 2" in caplog.text


def test_rows_in_a_file_of_another_name_are_ignored(results, rows, scores, caplog):
    results.write(rows, scores)
    rows_file(results).with_name("copy.jsonl").write_bytes(rows_file(results).read_bytes())
    with caplog.at_level(logging.WARNING):
        assert len(results.rows()) == len(rows)
    assert "copy.jsonl" in caplog.text


def test_kill_between_the_two_files_leaves_the_job_unfinished(results, rows, scores, monkeypatch):
    results.write(rows, scores)
    assert results.finished(*JOB, "k1", METRICS, present)
    calls = []

    def killed(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise KeyboardInterrupt
        original(source, target)

    original = os.replace
    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        results.write([replace(row, value=1.0) for row in rows], scores.assign(wer=7.0))
    assert calls == [utterances_file(results), rows_file(results)]
    assert results.job(*JOB) == sorted(rows, key=lambda row: row.metric)  # the old ones, whole
    assert not results.finished(*JOB, "k1", METRICS, present)  # they are not of these utterances


def test_finished(results, rows, scores):
    assert not results.finished(*JOB, "k1", METRICS, present)
    results.write(rows, scores)
    assert results.finished(*JOB, "k1", METRICS, present)
    assert not results.finished(*JOB, "k2", METRICS, present)
    assert not results.finished("asr_probe", *JOB[1:], "k1", METRICS, present)
    assert not results.finished(*JOB, "k1", METRICS, lambda reference: reference != "vocoders/bb")
    utterances_file(results).unlink()
    assert not results.finished(*JOB, "k1", METRICS, present)


def test_metrics_that_are_not_asked_for_do_not_count(results, rows, scores):
    results.write([rows[0], replace(rows[1], status="failed", value=None, reason="no extra")], scores)
    assert results.finished(*JOB, "k1", ONE, present)
    assert not results.finished(*JOB, "k1", METRICS, present)
    assert not results.finished(*JOB, "k1", ONE | {"stoi": ""}, present)
    assert not results.finished(*JOB, "k1", {"wer": "another extractor"}, present)
    results.write([replace(rows[0], metric_key="m1")], scores)
    assert results.finished(*JOB, "k1", {"wer": "m1"}, present)
    assert not results.finished(*JOB, "k1", ONE, present)


def test_not_converged_is_finished_and_failed_is_not(results, rows, scores):
    results.write([rows[0], replace(rows[1], status="NC", reason="dev at the floor")], scores)
    assert results.finished(*JOB, "k1", METRICS, present)
    results.write([rows[0], replace(rows[1], status="failed", value=None, reason="disk full")], scores)
    assert not results.finished(*JOB, "k1", METRICS, present)


def test_merge_is_sorted_derived_and_the_same_each_time(results, rows, scores, make_row):
    results.write([make_row(tokenizer="opus", seed=1)], scores)
    results.write([make_row(tokenizer="opus", seed=0)], scores)
    results.write(rows, scores)
    merged = results.merge()
    content = (results.root / "rows.jsonl").read_bytes()
    assert [Row.from_json(line) for line in content.decode().splitlines()] == merged == results.rows()
    assert [(row.tokenizer, row.metric, row.seed) for row in merged] == [
        ("mel_rvq", "pesq", 0),
        ("mel_rvq", "wer", 0),
        ("opus", "wer", 0),
        ("opus", "wer", 1),
    ]
    results.merge()
    assert (results.root / "rows.jsonl").read_bytes() == content
    for path in (results.root / "rows").iterdir():
        path.unlink()
    assert results.merge() == [] and not (results.root / "rows.jsonl").exists()


def test_rows_of_another_schema_are_refused_and_never_overwritten(results, rows, scores, make_row):
    results.write(rows, scores)
    lines = rows_file(results).read_text().splitlines()
    newer = json.dumps({**json.loads(lines[0]), "schema_version": SCHEMA_VERSION + 1})
    rows_file(results).write_text("\n".join([newer, *lines[1:]]) + "\n")
    for act in (results.rows, results.merge, lambda: results.write([make_row(tokenizer="opus")], scores)):
        with pytest.raises(UserError, match=r"reconstruction__mel_rvq.*schema version"):
            act()
    assert newer in rows_file(results).read_text()


def test_profiles_never_mix(results, rows, scores, make_row, tmp_path):
    results.write(rows, scores)
    with pytest.raises(UserError, match=r"'mini'.*'libri'.*own results folder"):
        results.write([make_row(profile="libri", tokenizer="lyra")], scores)
    other = ResultsStore(tmp_path / "libri")
    other.write([make_row(profile="libri", tokenizer="lyra")], scores)
    stray = next((other.root / "rows").iterdir())
    (results.root / "rows" / stray.name).write_bytes(stray.read_bytes())
    with pytest.raises(UserError, match="mixes the profiles libri, mini"):
        results.rows()


@pytest.mark.parametrize("name", ["a/b", "a__b", "_a", "a_", "", "a b", "é"])
def test_names_that_would_break_file_names_are_refused(results, make_row, scores, name):
    with pytest.raises(UserError, match="tokenizer name"):
        results.write([make_row(tokenizer=name)], scores)


@pytest.mark.parametrize("change", ["tokenizer", "dataset", "task", "split", "key", "profile"])
def test_one_write_is_one_job(results, rows, scores, change):
    with pytest.raises(ValueError, match="one job"):
        results.write([rows[0], replace(rows[1], **{change: "other"})], scores)


def test_no_rows_or_a_repeated_metric_is_a_mistake(results, rows, scores):
    with pytest.raises(ValueError, match="at least one"):
        results.write([], scores)
    with pytest.raises(ValueError, match="twice"):
        results.write([rows[0], rows[0]], scores)
    with pytest.raises(ValueError, match="share profile, names, seed"):
        results.write([rows[0], replace(rows[0], seed=1)], scores)


def test_seeds_of_a_job_are_kept_side_by_side(results, scores, make_row):
    for seed in (0, 1):
        results.write(
            [make_row(seed=seed, value=10.0 + seed, key=f"k{seed}")], scores.assign(wer=float(seed))
        )
    assert [(row.seed, row.value) for row in results.rows()] == [(0, 10.0), (1, 11.0)]
    assert results.utterances(*JOB[:3], 1)["wer"].tolist() == [1.0, 1.0]
    assert results.finished(*JOB[:3], 1, "k1", ONE, present)
    assert not results.finished(*JOB[:3], 1, "k0", ONE, present)


def test_a_variant_is_kept_beside_the_usual_rows(results, rows, scores, make_row):
    results.write(rows, scores)
    forced = make_row(variant="vocoder", value=55.0, key="k2")
    results.write([forced], scores.assign(wer=5.0))
    assert results.job(*JOB) == sorted(rows, key=lambda row: row.metric)
    assert results.job(*JOB, "vocoder") == [forced]
    assert results.utterances(*JOB, "vocoder")["wer"].tolist() == [5.0, 5.0]
    assert results.utterances(*JOB)["wer"].iloc[0] == 0.0
    assert results.finished(*JOB, "k2", ONE, present, "vocoder")
    assert not results.finished(*JOB, "k2", ONE, present)
    assert results.finished(*JOB, "k1", METRICS, present)
    assert len(results.rows()) == 3
    with pytest.raises(ValueError, match="one job"):
        results.write([rows[0], replace(rows[1], variant="vocoder")], scores)
    with pytest.raises(UserError, match="variant name"):
        results.write([make_row(variant="a__b")], scores)


def test_audio_is_replaced_with_the_rows(results, rows, scores, make_row):
    folder = results.root / "audio" / rows_file(results).stem
    results.write(rows, scores, {"a_source.wav": b"one", "a_prompt.wav": b"two"})
    results.write([make_row(tokenizer="opus")], scores, {"a_source.wav": b"other"})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "a_source.wav": b"one",
        "a_prompt.wav": b"two",
    }
    results.write(rows, scores, {"b_source.wav": b"three"})
    assert [path.name for path in folder.iterdir()] == ["b_source.wav"]
    results.write(rows, scores)
    assert [path.name for path in (results.root / "audio").iterdir()] == [
        "reconstruction__opus__synthetic__seed0"
    ]


REPLACE = """
import sys
from pathlib import Path
from benchmark.results.store import _replace_folder
for number in range(400):
    _replace_folder(Path(sys.argv[1]), {"a.wav": sys.argv[2].encode() * 9, "b.wav": b"b"})
"""


def test_two_processes_may_replace_one_folder(tmp_path):
    folder = tmp_path / "audio"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", REPLACE, str(folder), name], stderr=subprocess.PIPE, text=True
        )
        for name in "xyz"
    ]
    errors = [process.communicate(timeout=200)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], errors
    assert [path.name for path in tmp_path.iterdir()] == ["audio"]
    assert (folder / "a.wav").read_bytes() in [name * 9 for name in (b"x", b"y", b"z")]
