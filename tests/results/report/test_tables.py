import csv
import io
import random
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.errors import UserError
from benchmark.results.report.best_in_column import hold_contest
from benchmark.results.report.cells import combine
from benchmark.results.report.formats import FACTS, latex, to_csv, to_latex, to_markdown
from benchmark.results.report.grid import make_grid
from benchmark.results.report.survivors import survivor_notes
from benchmark.results.report.tables import make_table, make_tables

GOLDEN = Path(__file__).parent / "golden"
FORMATS = {
    "csv": lambda table, scores: to_csv(table),
    "md": lambda table, scores: to_markdown(grid_of(table, scores)),
    "tex": lambda table, scores: to_latex(grid_of(table, scores)),
}


def grid_of(table, scores):
    return make_grid(table, hold_contest(table, scores), survivor_notes(table, scores))


def lines_of(table, *names):
    by_name = {line.tokenizer: line for line in table.lines}
    return [by_name[name] for name in names]


def printed(table, tokenizer, metric):
    """Return the Markdown cell of a tokenizer's metric, without bold."""
    place = list(table.metrics).index(metric) - len(table.metrics) - 2
    row = next(row for row in to_markdown(make_grid(table)).splitlines() if row.startswith(f"| {tokenizer} "))
    return [cell.strip() for cell in row.strip("|").split("|")][place]


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("name", ["reconstruction", "probing"])
def test_golden(rows, utterances, name, suffix):
    text = FORMATS[suffix](make_table(name, rows), utterances)
    assert text == (GOLDEN / f"{name}.{suffix}").read_text(encoding="utf-8")


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_order_of_the_rows_does_not_show(rows, utterances, suffix):
    # nor do the time and the machine of the run
    shuffled = [replace(row, wall_time=99.0, device="cuda", versions={}) for row in rows]
    random.Random(0).shuffle(shuffled)
    for name in ("reconstruction", "probing", "codebook_usage"):
        first, second = (FORMATS[suffix](make_table(name, r), utterances) for r in (rows, shuffled))
        assert first == second


def test_csv_columns_are_fixed(rows):
    header = next(csv.reader(io.StringIO(to_csv(make_table("reconstruction", rows)))))
    assert ",".join(header[:7]) == (
        "tokenizer,kind,decoder,frame_rate_hz,num_codebooks,codebook_size,bitrate_kbps"
    )
    assert tuple(header[:7]) == FACTS
    metrics = ["wer", "gpe", "pesq"]
    assert header[7:22] == [m + part for m in metrics for part in ("", "_lo", "_hi", "_sd", "_seeds")]
    assert header[22:] == ["n_scored", "n_failed", "n_abstained", "status", "reason", "dataset", "split"]


def test_csv_reads_back_as_numbers(rows):
    text = to_csv(make_table("probing", rows))
    frame = pd.read_csv(io.StringIO(text), keep_default_na=False, na_values=[""]).set_index("tokenizer")
    assert frame.loc["mel_rvq", "probe_wer"] == 99.8 and frame.loc["mel_rvq", "status"] == "NC"
    assert frame.loc["mel_rvq", "bitrate_kbps"] == 1.6
    assert frame.loc["opus", "status"] == "n/a" and pd.isna(frame.loc["opus", "probe_wer"])
    assert frame.loc["whisper_kmeans", "n_scored"] == 48


def test_order_is_topline_kinds_by_rate_classical_floor(rows):
    assert [line.tokenizer for line in make_table("reconstruction", rows).lines] == [
        "ground_truth",
        "mel_rvq_8",
        "mel_rvq",
        "whisper_kmeans",
        "opus",
        "shuffled",
    ]


def test_status_and_counts_of_a_line(rows):
    table = make_table("probing", rows)
    nc, missing, ok, na = lines_of(table, "mel_rvq", "mel_rvq_8", "whisper_kmeans", "opus")
    assert [line.status for line in (nc, missing, ok, na)] == ["NC", "missing", "ok", "n/a"]
    assert ok.scored == (48, 60) and na.scored == (0, 0)
    failed, partly = lines_of(make_table("reconstruction", rows), "whisper_kmeans", "mel_rvq")
    assert failed.status == "failed" and failed.scored == (0, 0) and failed.n_failed == 60
    assert partly.status == "ok" and partly.scored == (58, 60) and partly.n_failed == 2


def test_a_tokenizer_without_the_job_has_a_missing_line(rows):
    table = make_table("codebook_usage", rows)
    statuses = {line.tokenizer: line.status for line in table.lines}
    assert statuses == {
        "mel_rvq": "ok",
        "whisper_kmeans": "ok",
        **dict.fromkeys(("ground_truth", "mel_rvq_8", "opus"), "missing"),
    }  # and no shuffled: a floor stands only where it was run
    assert printed(table, "opus", "perplexity") == "missing"
    assert "missing: this job has not run." in to_markdown(make_grid(table))


def test_a_table_whose_tasks_never_ran_is_none(rows):
    assert make_table("voice_conversion", rows) is None
    assert make_tables([]) == ({}, [])


def test_tasks_on_a_corpus_each_share_a_line(rows):
    moved = [replace(row, dataset="slurp") if row.task == "intent_probe" else row for row in rows]
    table = make_table("probing", moved)
    assert len(table.lines) == 6
    (line,) = lines_of(table, "whisper_kmeans")
    assert (line.dataset, line.split) == ("slurp+synthetic", "test")
    assert {metric: cell.value for metric, cell in line.cells.items()} == {
        "probe_wer": 0.72,
        "intent_accuracy": 97.5,
    }
    text = to_markdown(make_grid(table))
    assert "asr_probe on synthetic/test; intent_probe on slurp/test" in text
    assert "corpus" not in text.splitlines()[2]


def test_several_corpora_have_lines_of_their_own(rows, make_row):
    mine = make_row(tokenizer="mine", dataset="mycorpus", metric="wer", value=20.0)
    both = [replace(row, dataset="mycorpus") for row in rows if row.tokenizer == "opus"]
    table = make_table("reconstruction", [*rows, mine, *both])
    found = {(line.tokenizer, line.dataset): line.status for line in table.lines}
    assert found[("mine", "mycorpus")] == "ok" and ("mine", "synthetic") not in found
    assert found[("opus", "mycorpus")] == found[("opus", "synthetic")] == "ok"
    assert ("mel_rvq", "mycorpus") not in found and ("mel_rvq", "synthetic") in found
    assert [line.dataset for line in table.lines] == sorted(line.dataset for line in table.lines)
    assert "| mycorpus/test" in to_markdown(make_grid(table))
    usage = make_table("codebook_usage", [*rows, mine])  # run on nothing that this table shows
    assert lines_of(usage, "mine")[0].status == "missing"


def test_a_task_absent_from_a_corpus_is_not_missing_there(rows):
    more = [replace(row, dataset="libri") for row in rows if row.task == "asr_probe"]
    table = make_table("probing", [*rows, *more])
    line = next(line for line in table.lines if (line.tokenizer, line.dataset) == ("whisper_kmeans", "libri"))
    assert line.cells["intent_accuracy"].status == "n/a" and line.status == "ok"
    assert "intent_probe was not run on this corpus" in to_markdown(make_grid(table))


def test_a_variant_has_its_own_line_where_it_ran_and_is_missing_nowhere(rows, make_row):
    forced = make_row(tokenizer="opus", kind="classical", variant="vocoder", value=30.0, lo=25.0, hi=35.0)
    both = [*rows, forced]
    table = make_table("reconstruction", both)
    own, vocoded = lines_of(table, "opus", "opus+vocoder")
    assert (own.decoder, own.cells["wer"].value) == ("own", 8.0)
    assert (vocoded.decoder, vocoded.cells["wer"].value) == ("ctx_vec2wav/mini", 30.0)
    assert printed(table, "opus+vocoder", "wer") == "30.0 [25.0, 35.0]"
    assert "several seeds" not in to_markdown(make_grid(table))
    assert "differing configurations" not in to_markdown(make_grid(table))
    for name in ("probing", "codebook_usage"):
        assert to_csv(make_table(name, both)) == to_csv(make_table(name, rows))
    only = make_table("probing", [row for row in both if row.tokenizer != "opus" or row.variant])
    assert not any(line.tokenizer.startswith("opus") for line in only.lines)


@pytest.fixture
def conversions(make_row):
    """Return one tokenizer under two conditions, and another that cannot convert."""
    more = {"task": "voice_conversion", "interval": "95 %", "definition": "as WER"}
    nothing = {"value": None, "n_scored": 0, "status": "n/a"}
    labels = {
        "wer": "WER",
        "wer/same_gender": "WER, same gender",
        "wer/cross_gender": "WER, cross-gender",
        "wer/cross_lingual": "WER, cross-lingual",
    }
    rows = [
        make_row(metric="wer", value=20.0, lo=10.0, hi=30.0, **more),
        make_row(metric="wer/same_gender", value=15.0, lo=9.0, hi=20.0, n_scored=20, **more),
        make_row(
            metric="wer/cross_gender", value=25.0, n_scored=18, n_failed=2, reason="p_corr: too few", **more
        ),
        make_row(metric="wer/cross_lingual", reason="no recordings in another language", **nothing, **more),
        *(
            make_row(
                tokenizer="opus", kind="classical", metric=metric, reason="cannot convert", **nothing, **more
            )
            for metric in labels
        ),
    ]
    facts = {"unit": "%", "higher_is_better": False, "decimals": 1}
    shown = {metric: {"label": label, "place": n} for n, (metric, label) in enumerate(labels.items())}
    return [replace(row, display=facts | shown[row.metric]) for row in rows]


def test_rows_say_how_a_metric_is_shown(make_row):
    """Show a user's own metric without any change to the report's code."""
    shown = {"label": "Warmth", "unit": "K", "higher_is_better": True, "decimals": 1, "place": 0}
    rows = [
        make_row(metric="warmth", value=3.14159, display=shown),
        make_row(metric="cold", value=1.0, display=shown | {"label": "Cold", "place": 1}),
        make_row(metric="aged", value=1.0),
    ]
    table = make_table("reconstruction", rows)
    assert list(table.metrics) == ["warmth", "cold", "aged"]
    assert "| Warmth (K) ↑ |" in to_markdown(make_grid(table))
    assert printed(table, "mel_rvq", "warmth") == "3.1"


def test_conditions_have_a_table_of_their_own(conversions):
    overall = make_table("voice_conversion", conversions)
    assert list(overall.metrics) == ["wer"] and len(overall.rows) == 2
    table = make_table("voice_conversion_conditions", conversions)
    assert list(table.metrics) == ["wer/same_gender", "wer/cross_gender", "wer/cross_lingual"]
    assert printed(table, "mel_rvq", "wer/same_gender") == "15.0 [9.0, 20.0]"
    assert printed(table, "mel_rvq", "wer/cross_gender") == "25.0¹"
    assert printed(table, "mel_rvq", "wer/cross_lingual") == "–²"
    text = to_markdown(make_grid(table))
    assert "| WER, cross-gender (%) ↓ |" in text
    assert "¹ 2 of 20 utterances failed: p_corr: too few" in text
    assert "² no recordings in another language" in text and "³ cannot convert" in text
    assert (
        "- Same gender: two speakers of one gender, both recordings in one language (utterances: 20)." in text
    )
    assert (
        "- Cross-lingual: another speaker's prompt in another language" in text
        and "(utterances: none)." in text
    )
    frame = pd.read_csv(io.StringIO(to_csv(table))).set_index("tokenizer")
    assert frame.loc["mel_rvq", ["wer/same_gender_n", "wer/cross_gender_n"]].tolist() == [20, 18]
    assert pd.isna(frame.loc["mel_rvq", "wer/cross_lingual"]) and "wer_n" not in to_csv(overall)
    old = [row for row in conversions if "/" not in row.metric]
    assert make_table("voice_conversion_conditions", old) is None


def test_the_interval_of_several_seeds_covers_seeds_and_utterances(make_row):
    seeds = [
        make_row(seed=0, value=10.0, lo=8.0, hi=13.0),
        make_row(seed=1, value=12.0, lo=10.0, hi=15.0, n_scored=58, n_failed=2, reason="silence"),
        make_row(seed=2, value=14.0, lo=12.0, hi=17.0),
    ]
    table = make_table("reconstruction", seeds)
    # Student's t for 2 degrees of freedom, 4.303, times 2 / sqrt(3) is 4.968 over the seeds; 2 and 3 over the
    # utterances: 12 - sqrt(2² + 4.968²) and 12 + sqrt(3² + 4.968²).
    assert printed(table, "mel_rvq", "wer") == "12.0 [6.6, 17.8]¹"
    assert table.lines[0].scored == (58, 58) and table.lines[0].n_failed == 2
    text = to_markdown(make_grid(table))
    assert "several seeds of [0, 1, 2]" in text and "1 of 3 seeds: silence" in text
    assert "several seeds" not in to_markdown(make_grid(make_table("reconstruction", seeds[:1])))


def test_seeds_that_did_not_converge_are_left_out_and_counted(make_row):
    """Print what the others have, with its own interval; all of them NC is NC."""
    kept = [make_row(seed=seed, value=10.0 + seed, lo=8.0, hi=13.0) for seed in (0, 1)]
    lost = make_row(
        seed=2, value=70.0, lo=60.0, hi=80.0, status="NC", reason="did not learn (training loss 2)"
    )
    table = make_table("reconstruction", [*kept, lost])
    cell = table.lines[0].cells["wer"]
    alone = make_table("reconstruction", kept).lines[0].cells["wer"]
    assert (cell.value, cell.lo, cell.hi) == (10.5, alone.lo, alone.hi)
    assert cell.status == table.lines[0].status == "partly NC" and [row.seed for row in cell.rows] == [0, 1]
    assert printed(table, "mel_rvq", "wer").endswith("] 2 of 3 seeds¹")
    text = to_markdown(make_grid(table))
    assert "¹ mean of the 2 of 3 seeds that converged: 1 of 3 seeds: did not learn (training loss 2)" in text
    assert "- 2 of 3 seeds: the training of the others did not converge" in text
    frame = pd.read_csv(io.StringIO(to_csv(table))).set_index("tokenizer")
    assert frame.loc["mel_rvq", "status"] == "partly NC" and frame.loc["mel_rvq", "wer"] == 10.5
    rival = make_row(tokenizer="rival", value=90.0, lo=80.0, hi=95.0)
    for rows, columns in (([*kept, rival], ["WER"]), ([*kept, lost, rival], [])):
        contest = hold_contest(make_table("reconstruction", rows), lambda _: pd.DataFrame())
        assert contest.columns == columns, "a number of some of its seeds does not compete"
    none = make_table("reconstruction", [replace(lost, seed=seed) for seed in range(3)])
    assert printed(none, "mel_rvq", "wer").startswith("NC (70.0)")


def test_an_overfitted_probe_prints_its_number_with_a_remark(make_row):
    remark = "overfitted (training loss fell to 0.08, 2.48 for an answer that ignores the codes)"
    table = make_table("reconstruction", [make_row(value=84.0, lo=80.0, hi=88.0, remark=remark)])
    assert printed(table, "mel_rvq", "wer") == "84.0 [80.0, 88.0]¹"
    assert f"¹ {remark}" in to_markdown(make_grid(table))
    assert table.lines[0].status == "ok" and remark in to_csv(table)
    failed = [
        make_row(value=84.0, lo=80.0, hi=88.0, n_scored=58, n_failed=2, reason="silence", remark=remark)
    ]
    assert f"2 of 60 utterances failed: silence; {remark}" in to_markdown(
        make_grid(make_table("reconstruction", failed))
    )


@pytest.fixture
def seeded(make_row):
    """Return rows of a tokenizer with three trainings, one with one, and one with none."""
    facts = {"metric": "wer", "lo": 9.0, "hi": 16.0}
    trained = [
        make_row(tokenizer="a", seed=seed, value=value, artifacts=[f"vocoders/{seed}"], **facts)
        for seed, value in enumerate((10.0, 12.0, 14.0))
    ]
    return [*trained, make_row(tokenizer="b", value=12.5, **facts)] + [
        make_row(tokenizer="c", seed=seed, value=11.0, artifacts=["tokens/aa"], **facts) for seed in (0, 1)
    ]


def test_the_spread_over_trainings_and_their_number_are_printed(seeded):
    table = make_table("reconstruction", seeded)
    grid = make_grid(table)
    assert grid.header[-3:] == ["n", "failed", "seeds"]
    a, b, c = ([entry.value for entry in row] for row in grid.body)
    assert [a[-1], b[-1], c[-1]] == ["3", "1", "–"]
    text = to_markdown(grid)
    assert "| 12.0 [6.2, 18.4] ±2.0 |" in text and text.count("±") == 2  # once in the notes
    assert "- ±: standard deviation over trainings. seeds: trainings per number; –: none." in text
    assert r"$\pm$2.0" in to_latex(grid)
    one = make_grid(make_table("reconstruction", seeded[:1]))
    assert one.header[-1] == "failed" and "±" not in to_markdown(one)
    frame = pd.read_csv(io.StringIO(to_csv(table))).set_index("tokenizer")
    assert frame["wer_seeds"].tolist() == [3, 1, 0]
    assert frame.loc["a", "wer_sd"] == 2.0 and frame.loc[["b", "c"], "wer_sd"].isna().all()


def test_a_line_whose_numbers_differ_in_trainings_says_so(seeded, make_row):
    other = make_row(tokenizer="a", metric="pesq", value=1.5)
    line = lines_of(make_table("reconstruction", [*seeded, other]), "a")[0]
    assert line.n_trainings == (1, 3)


def test_seeds_of_which_one_has_no_interval_have_none_together(make_row):
    seeds = [make_row(seed=0, value=10.0, lo=8.0, hi=13.0), make_row(seed=1, value=30.0, lo=None, hi=None)]
    assert printed(make_table("reconstruction", seeds), "mel_rvq", "wer") == "20.0"


def test_an_interval_ends_where_the_metric_does(make_row):
    perfect = [
        make_row(task="intent_probe", metric="intent_accuracy", seed=seed, value=value, lo=90.0, hi=100.0)
        for seed, value in enumerate((97.0, 99.0, 100.0))
    ]
    cell = make_table("probing", perfect).lines[0].cells["intent_accuracy"]
    assert cell.hi == 100.0 and 85.0 < cell.lo < 97.0


@pytest.mark.parametrize(
    ("metric", "values", "ends"),
    [
        ("wer", (1.0, 2.0, 6.0), (0.0, None)),
        ("gpe", (1.0, 3.0, 8.0), (0.0, 100.0)),
        ("stoi", (0.97, 0.99, 0.9), (-1.0, 1.0)),
        ("pesq", (4.6, 4.1, 4.5), (0.999, 4.644)),
        ("speaker_accuracy", (99.0, 95.0, 100.0), (0.0, 100.0)),
        ("secs/self", (0.98, 0.9, 0.99), (-1.0, 1.0)),
    ],
)
@pytest.mark.parametrize("declared", [True, False])
def test_seeds_together_stay_within_the_metric_s_range_in_new_rows_and_old(
    make_row, metric, values, ends, declared
):
    percent = metric in ("wer", "gpe", "speaker_accuracy")
    unit = "%" if percent else ""
    shown = {"label": metric, "unit": unit, "higher_is_better": None, "decimals": 3, "place": 0}
    if declared:
        shown |= {"least": ends[0], "most": ends[1]}
    rows = [
        make_row(metric=metric, seed=seed, value=value, lo=value - 0.005, hi=value + 0.001, display=shown)
        for seed, value in enumerate(values)
    ]
    cell = combine(rows)
    mean, half = np.mean(values), 4.303 * np.std(values, ddof=1) / 3**0.5
    most = ends[1] or np.inf
    assert mean - half < ends[0] or mean + half > most  # where bounds would lie if the range had no end
    assert ends[0] <= cell.lo < mean < cell.hi <= most


def test_differing_definitions_and_configurations_are_said(rows):
    other = [
        replace(row, definition="corpus WER, Whisper large-v3")
        if (row.tokenizer, row.task, row.metric) == ("opus", "reconstruction", "wer")
        else replace(row, num_codebooks=2)
        if (row.tokenizer, row.task, row.metric) == ("mel_rvq", "reconstruction", "pesq")
        else row
        for row in rows
    ]
    text = to_markdown(make_grid(make_table("reconstruction", other)))
    assert "WER: corpus WER, Whisper large-v3 [opus]; corpus WER, Whisper tiny.en [ground_truth, " in text
    assert "mel_rvq: its rows come from differing configurations." in text
    assert "differing" not in to_markdown(make_grid(make_table("reconstruction", rows)))


def test_a_metric_without_an_entry_goes_by_its_name(make_row):
    table = make_table("reconstruction", [make_row(metric="novelty", value=0.12345, definition="how new")])
    text = to_markdown(make_grid(table))
    assert "| novelty |" in text and "0.123 |" in text and "novelty: how new." in text


def test_two_tasks_of_a_table_may_not_share_a_metric(make_row):
    shared = [make_row(task="asr_probe"), make_row(task="intent_probe")]
    with pytest.raises(ValueError, match="wer"):
        make_table("probing", shared)


def test_markdown_rows_have_one_cell_per_column_whatever_the_reason(rows):
    text = to_markdown(make_grid(make_table("reconstruction", rows)))
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert len({len(line.replace(r"\|", "").split("|")) for line in table}) == 1
    assert len({len(line) for line in table}) == 1  # aligned
    assert r"R&D_x: 100% \| #1 {bad}" in text


def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe_and_numbers_stay_numbers(make_row):
    hostile = ["=1+2", "+x", "-x", "@SUM(A1)", "\tx"]
    rows = [
        make_row(metric="wer", value=-1.5, lo=-2.0, hi=-1.0, decoder=text, dataset=text, tokenizer=text)
        for text in hostile
    ]
    lines = list(csv.reader(io.StringIO(to_csv(make_table("reconstruction", rows)))))
    for line in lines[1:]:
        assert line[0] == line[2] == line[-2] and line[0].startswith("'") and line[0][1:] in hostile
        assert [float(number) for number in line[7:10]] == [-1.5, -2.0, -1.0]


def test_a_footer_has_the_day_of_the_newest_number(make_row):
    rows = [
        make_row(metric=m, date=d) for m, d in (("wer", "2026-11-23"), ("pesq", "2026-10-01"), ("gpe", ""))
    ]
    text = to_markdown(make_grid(make_table("reconstruction", rows)))
    assert "- Newest number: 2026-11-23 (UTC), oldest: 2026-10-01." in text
    assert "Newest" not in to_markdown(make_grid(make_table("reconstruction", [make_row()])))


@pytest.mark.parametrize("older", ["", "v1"])
def test_versions_of_a_metric_do_not_share_a_column(make_row, older):
    new = make_row(tokenizer="a", metric_key="v2", definition="by CREPE")
    old = make_row(tokenizer="b", metric_key=older, definition="by DIO")
    with pytest.raises(UserError, match=r"wer on synthetic/test was not taken in one way.*by DIO.*by CREPE"):
        make_table("reconstruction", [new, old])
    assert make_table("reconstruction", [new, replace(old, dataset="libri")])  # lines of its own
    assert make_table("reconstruction", [new, replace(old, value=None, status="failed", reason="no weights")])
    assert make_table("reconstruction", [new, replace(old, metric="pesq")])


def test_profiles_do_not_share_a_table(make_row):
    with pytest.raises(UserError, match="profiles libri, mini"):
        make_table("reconstruction", [make_row(), make_row(tokenizer="b", profile="libri")])


HOSTILE = 'a&b 50% $5 #1 x_y {z} ~ ^ \\ <unk> "q" | é ß – ≥ µ 日 −3\n\nnew'


@pytest.fixture
def hostile(rows):
    """Put every special character of LaTeX where a row may hold one."""
    return [
        replace(
            row, reason=HOSTILE if row.reason else "", definition=HOSTILE, decoder="own_&%", interval=HOSTILE
        )
        for row in rows
    ]


def test_latex_escapes_every_special_character(hostile):
    text = to_latex(make_grid(make_table("reconstruction", hostile)))
    assert (
        r"a\&b 50\% $\mathdollar$5 \#1 x\_y \{z\} \textasciitilde{} \textasciicircum{} \textbackslash{} "
        r"\textless{}unk\textgreater{} ''q'' \textbar{} é ß -- $\geq$ $\mu$ "
        r"[cjk unified ideograph-65e5] $-$3 new"
    ) in text
    body = text[text.index(r"\midrule") : text.index(r"\bottomrule")].splitlines()[1:]
    columns = len(text.split(r"\begin{tabular}{")[1].split("}")[0])
    assert all(line.replace(r"\&", "").count("&") == columns - 1 for line in body)
    assert all(line.endswith(r" \\") for line in body)


def test_latex_knows_every_character_of_the_definitions():
    catalogue = (Path(__file__).parents[3] / "docs" / "reference" / "metrics.md").read_text(encoding="utf-8")
    definitions = [line for line in catalogue.splitlines() if line.startswith("- **")]
    assert len(definitions) >= 35
    for definition in definitions:
        text = latex(definition)
        assert text.isascii() and "[" not in text  # no character spelled out by its name


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
@pytest.mark.parametrize("name", ["reconstruction", "probing", "codebook_usage"])
def test_latex_compiles(rows, hostile, name, tmp_path):
    tables = [to_latex(make_grid(make_table(name, content))) for content in (rows, hostile)]
    for place, table in enumerate(tables):
        (tmp_path / f"table{place}.tex").write_text(table, encoding="utf-8")
    document = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}"
    document += r"\noindent\input{table0}\newpage\noindent\input{table1}\end{document}"
    (tmp_path / "paper.tex").write_text(document)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout


def test_a_learning_rate_at_the_edge_is_a_footnote(make_row):
    note = {"training": {"learning_rate": {"at_edge": "0.01 is the largest"}}}
    facts = {"task": "asr_probe", "metric": "probe_wer"}
    seeds = [make_row(**facts, seed=seed, notes=note if seed else {}) for seed in range(3)]
    assert make_grid(make_table("probing", seeds)).footnotes == ["2 of 3 seeds: 0.01 is the largest"]
    heads = make_row(**facts, notes={"heads": {"probe_wer": note, "attention_wer": {}}})
    assert make_grid(make_table("probing", [heads])).footnotes == ["0.01 is the largest"]
    assert make_grid(make_table("probing", seeds[:1])).footnotes == []
