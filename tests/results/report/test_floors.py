"""Roles in tables: a floor where order matters, a bag of codes where it does not, and never a rival."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from benchmark.results.report.best_in_column import hold_contest
from benchmark.results.report.formats import to_markdown
from benchmark.results.report.grid import BAG, make_grid
from benchmark.results.report.overview_table import make_overview, overview_grid
from benchmark.results.report.tables import make_table, make_tables
from benchmark.results.row import Row

FLOOR = {"kind": "floor", "base": "mel_rvq"}
SHOWN = {"label": "Intent", "unit": "%", "higher_is_better": True, "decimals": 1, "place": 0}
PROBING = {"name": "probing", "title": "Probing"}


@pytest.fixture
def probed(make_row):
    """A tokenizer, its shuffled codes, and constant codes, probed for words and intents."""

    def row(tokenizer, metric, value, **facts):
        order = {"order_free": True} if metric == "intent_accuracy" else {}
        display = SHOWN | {"label": metric, "table": PROBING} | order
        task = "intent_probe" if order else "asr_probe"
        return make_row(tokenizer=tokenizer, metric=metric, value=value, task=task, display=display, **facts)

    return [
        row("mel_rvq", "probe_wer", 30.0),
        row("mel_rvq", "intent_accuracy", 26.0),
        row("shuffled_mel_rvq", "probe_wer", 80.0, **FLOOR),
        row("shuffled_mel_rvq", "intent_accuracy", 76.0, **FLOOR),
        row("constant", "probe_wer", 90.0, kind="floor", bitrate=0.0),
        row("constant", "intent_accuracy", 8.3, kind="floor", bitrate=0.0),
    ]


def line(grid, name):
    return next(row for row in grid.body if name in (row[0].value, row[1].value))


def test_shuffled_codes_are_a_floor_of_words_and_a_bag_of_codes_for_intents(probed) -> None:
    grid = make_grid(make_table("probing", probed))
    columns = dict(zip(grid.header, line(grid, "shuffled_mel_rvq"), strict=True))
    words, intents = (
        next(cell for head, cell in columns.items() if name in head)
        for name in ("probe_wer", "intent_accuracy")
    )
    assert columns["kind"].value == "floor" and words.mark is None
    assert grid.footnotes[intents.mark - 1].startswith(BAG)
    assert not any(cell.mark for cell in line(grid, "constant"))
    assert any("shuffled_mel_rvq of mel_rvq" in note for note in grid.notes)


def test_a_table_without_order_calls_the_line_a_bag_of_codes(probed) -> None:
    table = make_table("probing", [row for row in probed if row.metric == "intent_accuracy"])
    grid = make_grid(table)
    assert line(grid, "shuffled_mel_rvq")[1].value == BAG
    assert line(grid, "constant")[1].value == "floor"


def test_no_floor_competes_even_with_the_best_number(probed) -> None:
    rivals = [replace(row, tokenizer="other") for row in probed if row.tokenizer == "mel_rvq"]
    table = make_table("probing", [*probed, *rivals])
    contest = hold_contest(table, lambda row: pytest.fail("asked") if row.kind == "floor" else _scores(row))
    assert "shuffled_mel_rvq" not in {table.lines[place].tokenizer for place, _ in contest.best}
    assert contest.columns


def _scores(row):
    return pd.DataFrame({"utterance_id": ["a", "b"], "speaker_id": ["s", "t"], row.metric: [row.value] * 2})


def test_the_overview_marks_bags_and_counts_utterances(probed, make_row) -> None:
    overview = {"overview": ["intent_accuracy", "probe_wer"]}
    rows = [replace(row, display=row.display | {"table": PROBING | overview}) for row in probed]
    rows += [
        make_row(tokenizer=name, value=9.0, n_scored=n) for name, n in (("mel_rvq", 53), ("constant", 60))
    ]
    tables, _ = make_tables(rows)
    overview = make_overview(tables)
    grid = overview_grid(overview, hold_contest(overview, _scores))
    assert any(BAG in text for text in grid.footnotes)
    counts = next(note for note in grid.notes if note.startswith("Utterances behind a number"))
    assert "Reconstruction 53–60" in counts and "Probing 60" in counts


def test_a_floor_of_probes_alone_is_missing_nowhere_else(probed, make_row) -> None:
    overview = {"overview": ["intent_accuracy", "probe_wer"]}
    rows = [replace(row, display=row.display | {"table": PROBING | overview}) for row in probed]
    rows += [make_row(tokenizer=name, value=9.0) for name in ("mel_rvq", "opus_6k")]
    tables, _ = make_tables(rows)
    assert {line.tokenizer for line in tables["reconstruction"].lines} == {"mel_rvq", "opus_6k"}
    lines = {line.tokenizer: line for line in make_overview(tables).lines}
    missing = {name for name, line in lines.items() if "missing" in {c.status for c in line.cells.values()}}
    assert missing == {"opus_6k"}  # no floor: its probes have not run
    assert "shuffled_mel_rvq" in lines


def test_older_rows_without_a_base_stay_readable(make_row) -> None:
    content = json.loads(make_row(kind="floor").to_json())
    del content["base"]
    assert Row.from_json(json.dumps(content)).base == ""


@pytest.mark.parametrize(
    ("commits", "said"),
    [
        (("a", "a"), ""),
        (("a", "b"), "2 commits"),
        (("a", "a+dirty"), "2 commits and code with changes that are not committed"),
        ((None,), "code of an unknown commit"),
    ],
)
def test_a_table_of_several_commits_warns(make_row, commits, said) -> None:
    rows = [make_row(tokenizer=f"t{n}", git_commit=commit) for n, commit in enumerate(commits)]
    text = to_markdown(make_grid(make_table("reconstruction", rows)))
    assert ("Warning" in text) is bool(said) and said in text
