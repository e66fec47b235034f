"""The overview table: every task side by side, each tokenizer on one line."""

import csv
import io
import shutil
import subprocess
from dataclasses import replace

import pytest

from benchmark.results.report.best_in_column import Contest, hold_contest
from benchmark.results.report.formats import FACTS, to_csv, to_latex, to_markdown
from benchmark.results.report.overview_table import make_overview, overview_grid
from benchmark.results.report.tables import make_tables


def overview(rows):
    return make_overview(make_tables(rows)[0])


@pytest.fixture
def converted(rows, make_row):
    """Return a conversion task beside the others, with a metric of the same name."""
    more = {"task": "voice_conversion", "definition": "WER after conversion"}
    return [*rows, make_row(metric="wer", value=55.0, **more), make_row(metric="secs", value=0.7, **more)]


def test_groups_stand_side_by_side_and_their_metrics_apart(converted, utterances):
    table = overview(converted)
    assert list(table.metrics) == [
        "reconstruction.wer",
        "reconstruction.gpe",
        "reconstruction.pesq",
        "voice_conversion.wer",
        "voice_conversion.secs",
        "probing.probe_wer",
        "probing.intent_accuracy",
    ]
    lines = {line.tokenizer: line.cells for line in table.lines}
    assert len(lines) == len(table.lines) == 6  # one line for each tokenizer
    assert lines["mel_rvq"]["reconstruction.wer"].value == 12.3
    assert lines["mel_rvq"]["voice_conversion.wer"].value == 55.0
    assert lines["mel_rvq"]["probing.probe_wer"].status == "NC"
    assert lines["opus"]["voice_conversion.wer"].status == "missing"
    text = to_markdown(overview_grid(table, hold_contest(table, utterances)))
    groups, _, header, first = [line for line in text.splitlines() if line.startswith("|")][:4]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in (groups, header, first)]
    assert cells[0] == [*[""] * 4, "Reconstruction", "", "", "Conversion", "", "Probing", ""]
    assert cells[1][:5] == ["family", "tokenizer", "Hz", "kbps", "WER (%) ↓"]
    assert cells[2][:3] == ["topline", "ground_truth", "–"]
    assert "**0.7** [0.1, 1.5]" in text, text  # the best value is marked here as well
    assert "reconstruction WER: corpus WER" in text and "voice_conversion WER: WER after" in text
    assert "several seeds" not in text
    header = next(csv.reader(io.StringIO(to_csv(table))))
    assert tuple(header[:7]) == FACTS and "voice_conversion.wer_lo" in header


def test_trainings_have_a_column_where_a_number_has_several(converted, utterances):
    more = [
        replace(row, seed=seed, artifacts=[f"vocoders/{seed}"])
        for row in converted
        for seed in (range(3) if (row.tokenizer, row.task) == ("mel_rvq", "reconstruction") else (0,))
    ]
    table = overview(more)
    grid = overview_grid(table, hold_contest(table, utterances))
    assert grid.header[:5] == ["family", "tokenizer", "Hz", "kbps", "seeds"] and grid.groups[0] == ("", 5)
    seeds = {row[1].value: row[4].value for row in grid.body}
    assert seeds["mel_rvq"] == "1–3" and seeds["whisper_kmeans"] == "1"
    assert "one training seed: the tests would tell of these trained networks" in " ".join(grid.notes)


def test_tasks_on_corpora_of_their_own_share_a_line_and_a_task_on_two_has_two_groups(rows):
    moved = [replace(row, dataset="slurp") if row.task.endswith("probe") else row for row in rows]
    table = overview(moved)
    assert len(table.lines) == 6 and table.lines[0].dataset == "slurp+synthetic"
    other = [replace(row, split="other") for row in rows if row.task == "reconstruction"]
    text = to_latex(overview_grid(overview([*rows, *other]), Contest()))
    assert "Reconstruction, synthetic/other" in text and "Reconstruction, synthetic/test" in text


def test_a_single_task_needs_no_overview(rows):
    assert overview([row for row in rows if row.task == "reconstruction"]) is None
    assert overview([]) is None


def test_where_none_of_the_usual_metrics_is_there_all_are_shown(rows, make_row):
    other = [row for row in rows if row.task != "reconstruction"] + [make_row(metric="si_sdr", value=1.0)]
    assert "reconstruction.si_sdr" in overview(other).metrics


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_the_overview_fits_a_page_in_latex(converted, utterances, tmp_path):
    table = overview(converted)
    text = to_latex(overview_grid(table, hold_contest(table, utterances)))
    assert r"\cmidrule(lr){5-7} \cmidrule(lr){8-9} \cmidrule(lr){10-11}" in text
    (tmp_path / "table.tex").write_text(text, encoding="utf-8")
    (tmp_path / "paper.tex").write_text(
        r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}"
        r"\noindent\input{table}\end{document}"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
