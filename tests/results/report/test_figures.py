import io
import re
from dataclasses import replace

import matplotlib.image
import numpy as np
import pandas as pd
import pytest

from benchmark.results.report.figures import (
    code_shares,
    codebook_growth,
    codebook_histogram,
    rate_quality,
    rate_vocabulary,
    trade_off,
)
from benchmark.results.report.tables import make_table

CURVE = {"hours": [0.01, 0.02, 0.03], "used": [0.4, 0.7, 0.8], "perplexity": [20.0, 30.0, 31.0]}
RATES = {"vocabulary": [500, 2000, 4000], "bpe": [50.0, 40.0, 35.0], "dedup_bpe": [40.0, 36.0, 34.0]}
PNG = b"\x89PNG\r\n\x1a\n"


def pixels(drawn):
    assert drawn.png.startswith(PNG)
    return matplotlib.image.imread(io.BytesIO(drawn.png), format="png")


@pytest.fixture
def tables(rows):
    return make_table("reconstruction", rows), make_table("probing", rows)


def counts(*books):
    return pd.DataFrame(
        [(book, code, n) for book, uses in enumerate(books) for code, n in enumerate(uses)],
        columns=["codebook", "code", "count"],
    )


def test_figures_are_drawn_and_the_same_each_time(tables):
    usage = {"mel_rvq": counts([5, 0, 3, 1], [2, 2, 2, 2]), "whisper_kmeans": counts([9, 1])}
    drawings = [
        lambda: codebook_histogram(usage, {"mel_rvq": 4, "whisper_kmeans": 2}),
        lambda: codebook_growth({"mel_rvq": CURVE, "mimi": {**CURVE, "used": [0.1, 0.2, 0.3]}}),
        lambda: rate_vocabulary({"mel_rvq": RATES, "mimi": {**RATES, "bpe": [50.0, 49.0, 48.0]}}),
        lambda: rate_quality(tables[0]),
        lambda: trade_off(*tables),
    ]
    for draw in drawings:
        drawn = draw()
        assert np.ptp(pixels(drawn)) > 0.5 and len(drawn.png) > 5000
        assert drawn.pdf.startswith(b"%PDF-") and len(drawn.pdf) > 5000
        assert draw() == drawn
        for content in drawn:
            assert not re.search(rb"Software|Creat|Producer|/Type3", content)


def test_a_users_matplotlib_settings_do_not_change_a_figure(tables):
    png = trade_off(*tables)
    with matplotlib.rc_context({"font.size": 20, "lines.linewidth": 9, "savefig.dpi": 30, "figure.dpi": 30}):
        assert trade_off(*tables) == png


def test_every_number_moves_its_figure(tables):
    def moved(table, tokenizer, metric="wer", **change):
        lines = [
            replace(line, cells={**line.cells, metric: replace(line.cells[metric], **change)})
            if line.tokenizer == tokenizer
            else line
            for line in table.lines
        ]
        return replace(table, lines=lines)

    reconstruction, probing = tables
    reconstruction = replace(reconstruction, metrics={"wer": reconstruction.metrics["wer"]})
    rates, trades = rate_quality(reconstruction), trade_off(reconstruction, probing)
    for change in ({"value": 9.0}, {"lo": 8.5}, {"hi": 14.0}, {"status": "NC"}):
        other = moved(reconstruction, "mel_rvq_8", **change)
        assert rate_quality(other) != rates
        assert trade_off(other, probing) != trades
    assert trade_off(reconstruction, moved(probing, "mel_rvq_8", "probe_wer", lo=50.0)) != trades
    assert rate_quality(moved(reconstruction, "ground_truth", value=30.0)) != rates


def test_code_shares_are_ranked_per_book_without_unused_codes():
    shares = code_shares(counts([1, 0, 3, 4], [2, 2, 2, 2]))
    assert list(shares) == [0, 1]
    assert shares[0].tolist() == [0.5, 0.375, 0.125]
    assert shares[1].tolist() == [0.25] * 4


def test_nothing_scored_is_no_figure(tables, make_row):
    reconstruction, probing = tables
    failed = make_row(value=None, status="failed", reason="x")
    assert rate_quality(make_table("reconstruction", [failed])) is None
    assert trade_off(make_table("reconstruction", [failed]), probing) is None
    elsewhere = make_table("probing", [make_row(task="asr_probe", metric="probe_wer", tokenizer="mine")])
    assert trade_off(reconstruction, elsewhere) is None


def test_the_trade_off_pairs_by_corpus_where_it_can(make_row):
    def table(task, metric, **values):
        name = "probing" if task == "asr_probe" else task
        return make_table(
            name, [make_row(task=task, metric=metric, dataset=d, value=v) for d, v in values.items()]
        )

    spoken = table("reconstruction", "wer", a=1.0, b=2.0)
    both = table("asr_probe", "probe_wer", a=10.0, b=90.0)
    crossed = table("asr_probe", "probe_wer", a=90.0, b=10.0)
    assert trade_off(spoken, both) != trade_off(spoken, crossed)
    assert trade_off(spoken, table("asr_probe", "probe_wer", c=50.0)) is not None


@pytest.mark.parametrize("moved", ["hours", "used", "perplexity"])
def test_a_growth_curve_is_drawn_from_all_its_numbers(moved):
    other = {**CURVE, moved: [0.02, *CURVE[moved][1:]]}
    assert codebook_growth({"mel_rvq": CURVE}) != codebook_growth({"mel_rvq": other})


@pytest.mark.parametrize("moved", ["vocabulary", "bpe", "dedup_bpe"])
def test_rates_by_vocabulary_are_drawn_from_all_their_numbers(moved):
    other = {**RATES, moved: [*RATES[moved][:-1], RATES[moved][-1] * 0.98]}
    assert rate_vocabulary({"mel_rvq": RATES}) != rate_vocabulary({"mel_rvq": other})


def test_a_line_ends_where_its_merges_do():
    whole = {"vocabulary": [512, 2000, 3000], "bpe": [50.0, 41.5, 40.0], "dedup_bpe": [45.0, 40.25, 40.25]}
    assert rate_vocabulary({"a": {**whole, "dedup_bpe": [45.0, 40.25, None]}}) != rate_vocabulary(
        {"a": whole}
    )


def test_a_tokenizer_larger_than_every_vocabulary_is_a_point():
    alone = {"vocabulary": [65_536], "bpe": [50.0], "dedup_bpe": [48.0]}
    assert np.ptp(pixels(rate_vocabulary({"xcodec2": alone}))) > 0.5
