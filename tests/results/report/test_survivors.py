"""Notes on numbers that do not rest on the whole test set."""

import numpy as np
import pandas as pd
import pytest

from benchmark.results.report.formats import to_csv, to_markdown
from benchmark.results.report.grid import make_grid
from benchmark.results.report.survivors import survivor_notes
from benchmark.results.report.tables import make_table


@pytest.fixture
def frames() -> dict[str, pd.DataFrame]:
    """GPE of two tokenizers over four utterances: "a" errs most where "b" has no score."""
    names = {"utterance_id": list("wxyz"), "speaker_id": list("sstt")}
    first = {"gpe": [10.0, 20.0, 0.0, 50.0], "gpe:weight": [10.0, 30.0, 10.0, 50.0]}
    second = {"gpe": [20.0, 40.0, 10.0, np.nan], "gpe:weight": [10.0, 20.0, 10.0, np.nan]}
    return {"a": pd.DataFrame(names | first), "b": pd.DataFrame(names | second)}


def table_of(make_row, **second):
    facts = {"metric": "gpe", "n_scored": 4}
    rows = [make_row(tokenizer="a", value=32.0, **facts)]
    rows += [make_row(tokenizer="b", value=27.5, **facts | {"n_scored": 3, "n_abstained": 1} | second)]
    frames = {"label": "Voiced in both", "unit": "%", "higher_is_better": True, "decimals": 1}
    for name, value in (("a", 91.04), ("b", 40.0)):
        display = frames | {"note_of": "gpe", "place": 9}
        how = "the original's voiced frames that are voiced in the decoded signal"
        rows.append(
            make_row(tokenizer=name, metric="gpe_frames", value=value, display=display, definition=how)
        )
    return make_table("reconstruction", rows)


def test_columns_are_shown_again_on_the_utterances_in_common(make_row, frames):
    notes = survivor_notes(table_of(make_row), lambda row: frames[row.tokenizer])
    # a: (100 + 600 + 0) / 50 frames, b: (200 + 800 + 100) / 40
    assert "GPE on the 3 utterances that all tokenizers have: a 14.00, b 27.50." in notes


def test_nothing_is_said_where_all_have_the_same_utterances(make_row, frames):
    table = table_of(make_row, n_scored=4, n_abstained=0)
    notes = survivor_notes(table, lambda row: frames[row.tokenizer])
    assert not any("all tokenizers have" in note for note in notes)
    same = frames | {"a": frames["a"].mask(frames["b"].isna())}
    notes = survivor_notes(table_of(make_row), lambda row: same[row.tokenizer])
    assert not any("all tokenizers have" in note for note in notes)


def test_rates_of_counts_are_in_percent(make_row):
    names = {"utterance_id": list("xy"), "speaker_id": list("st")}
    counts = {"counts": ["wrong", "words"], "label": "WER", "unit": "%", "decimals": 1}
    counts |= {"higher_is_better": False, "place": 0}
    frames = {
        "a": pd.DataFrame(names | {"wrong": [1.0, 3.0], "words": [10.0, 4.0]}),
        "b": pd.DataFrame(names | {"wrong": [2.0, np.nan], "words": [10.0, np.nan]}),
    }
    rows = [
        make_row(tokenizer=name, metric="wer", value=20.0, n_scored=n, n_failed=2 - n, display=counts)
        for name, n in (("a", 2), ("b", 1))
    ]
    notes = survivor_notes(make_table("reconstruction", rows), lambda row: frames[row.tokenizer])
    assert notes == ["WER on the 1 utterances that all tokenizers have: a 10.0, b 20.0."]


def test_the_share_of_frames_behind_a_number_is_a_note_and_no_column(make_row, frames):
    table = table_of(make_row)
    assert list(table.metrics) == ["gpe"] and "gpe_frames" not in to_csv(table)
    notes = survivor_notes(table, lambda row: frames[row.tokenizer])
    assert notes[0] == (
        "Behind GPE: a 91.0 %, b 40.0 % (the original's voiced frames that are voiced in the decoded signal)."
    )
    text = to_markdown(make_grid(table, survivors=notes))
    assert "Behind GPE: a 91.0 %, b 40.0 %" in text and "on the 3 utterances" in text
    assert "1 of 4 utterances abstained" in text


def test_a_qualifying_metric_alone_has_a_column(make_row):
    display = {"label": "Voiced in both", "note_of": "gpe", "place": 9}
    display |= {"unit": "%", "higher_is_better": None, "decimals": 1}
    table = make_table("reconstruction", [make_row(metric="gpe_frames", value=91.0, display=display)])
    assert list(table.metrics) == ["gpe_frames"]
