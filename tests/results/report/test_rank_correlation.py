from benchmark.results.report.formats import to_markdown
from benchmark.results.report.grid import make_grid
from benchmark.results.report.rank_correlation import rank_correlations
from benchmark.results.report.tables import make_table


def ablation(make_row, lines, **more):
    rows = []
    for name, (ctc, attention, accuracy) in lines.items():
        facts = {"tokenizer": name, "task": "ctc_ablation"} | more.get(name, {})
        rows += [
            make_row(metric="probe_wer", value=ctc, lo=None, hi=None, **facts),
            make_row(metric="wer", value=attention, lo=None, hi=None, **facts),
            make_row(metric="intent_accuracy", value=accuracy, lo=None, hi=None, **facts),
        ]
    return make_table("ctc_ablation", rows)


def test_ranks_are_compared_over_what_has_both_numbers(make_row):
    lines = {"a": (1.0, 10.0, 90.0), "b": (2.0, 30.0, 80.0), "c": (3.0, 20.0, 70.0), "d": (9.0, 5.0, 1.0)}
    table = ablation(make_row, lines, d={"kind": "floor"})
    notes = dict(note.removesuffix(".").split(": ") for note in rank_correlations(table))
    # By hand: the orders 1 2 3 and 1 3 2 have rho = 1 - 6·2 / (3·8) and one of three pairs turned around.
    assert notes["Ranks by WER and Probe WER"] == "Spearman 0.50, Kendall 0.33 over 3 lines"
    assert notes["Ranks by Probe WER and Intent"] == "Spearman 1.00, Kendall 1.00 over 3 lines"
    assert "Ranks by WER and Probe WER: Spearman 0.50" in to_markdown(make_grid(table))


def test_what_did_not_converge_has_no_rank(make_row):
    lines = {"a": (1.0, 10.0, 90.0), "b": (2.0, 30.0, 80.0), "c": (3.0, 20.0, 70.0)}
    table = ablation(make_row, lines, c={"status": "NC", "reason": "did not learn"})
    assert rank_correlations(table)[0] == "Ranks by WER and Probe WER: 2 lines have both, too few to compare."
    other = make_table("reconstruction", [make_row()])
    assert "Ranks by" not in to_markdown(make_grid(other))
