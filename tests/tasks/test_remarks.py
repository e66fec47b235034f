"""Remarks on scores, counted for a row and shown below its table."""

import pandas as pd

from benchmark.results.report.cells import combine
from benchmark.results.report.grid import footnote
from benchmark.tasks.decoding.base import count_remarks


def test_remarks_are_counted_over_the_scored_utterances() -> None:
    frame = pd.DataFrame({"wer": [10.0, 0.0, 50.0, None], "cer": 1.0})
    frame["wer:remarks"] = ["looped", None, "looped, cut", None]
    assert count_remarks(frame, "wer", "transcripts") == "2 of 3 transcripts looped, 1 cut"
    assert count_remarks(frame, "cer", "transcripts") == ""
    assert count_remarks(frame[:2], "wer", "transcripts") == "1 of 2 transcripts looped"
    assert count_remarks(frame[1:2], "wer", "transcripts") == ""


def test_a_remark_is_a_footnote_of_its_number(make_row) -> None:
    looped = {"remark": "2 of 60 transcripts looped, 1 cut"}
    assert footnote(combine([make_row(**looped)])) == "2 of 60 transcripts looped, 1 cut"
    assert footnote(combine([make_row()])) == ""
    partly = make_row(n_scored=58, n_failed=2, reason="silence", **looped)
    assert footnote(combine([partly])) == (
        "2 of 60 utterances failed: silence; 2 of 60 transcripts looped, 1 cut"
    )
    seeds = [make_row(seed=seed, **(looped if seed else {})) for seed in range(3)]
    assert footnote(combine(seeds)) == "2 of 3 seeds: 2 of 60 transcripts looped, 1 cut"
