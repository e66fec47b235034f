from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from omegaconf import OmegaConf

from benchmark.jobs.hydra_callbacks import WriteReport
from benchmark.results.report.write import write_report
from benchmark.results.store import ResultsStore
from tests.door import door

main = partial(door, "report")

GOLDEN = Path(__file__).parent / "golden"
USAGE = pd.DataFrame({"codebook": [0, 0, 1], "code": [0, 7, 3], "count": [5, 2, 9]})
SCORES = pd.DataFrame({"utterance_id": ["a"], "speaker_id": ["s"], "wer": [0.5]})


@pytest.fixture
def folder(tmp_path, rows):
    """Write a results folder with every job of the small benchmark."""
    store = ResultsStore(tmp_path / "mini")
    for job in {(row.task, row.tokenizer) for row in rows}:
        mine = [row for row in rows if (row.task, row.tokenizer) == job]
        store.write(mine, USAGE if job[0] == "codebook_usage" else SCORES)
    return store.root


def derived(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for part in ("tables", "figures", "rows.jsonl", "report.html")
        for path in ([folder / part] if (folder / part).is_file() else sorted((folder / part).glob("*")))
    }


def test_report_writes_everything_and_the_same_bytes_again(folder):
    write_report(folder)
    first = derived(folder)
    assert sorted(first) == [
        *(
            f"figures/{name}.{suffix}"
            for name in ("codebook_histogram", "rate_quality", "trade_off")
            for suffix in ("pdf", "png")
        ),
        "report.html",
        "rows.jsonl",
        *(
            f"tables/{name}.{suffix}"
            for name in ("codebook_usage", "overview", "probing", "reconstruction")
            for suffix in ("csv", "md", "tex")
        ),
    ]
    write_report(folder)
    assert derived(folder) == first


def test_a_sweep_draws_again_only_what_has_changed(folder, rows):
    config = OmegaConf.create({"paths": {"results": str(folder.parent)}, "profile_name": folder.name})
    config.update({"trainer": {"strategy": "auto"}, "logger": [], "hydra": {"mode": "MULTIRUN"}})
    sweep_ends = partial(WriteReport().on_multirun_end, config)
    page, store = folder / "report.html", ResultsStore(folder)
    sweep_ends()
    before = page.stat()
    sweep_ends()
    assert page.stat() == before and store.has_report()
    (folder / "rows.jsonl").touch()  # merged by a report that was cut off before it wrote its page
    assert not store.has_report()
    sweep_ends()
    assert store.has_report() and page.stat().st_mtime_ns > before.st_mtime_ns
    mine = [row for row in rows if row.task == "reconstruction" and row.tokenizer == rows[0].tokenizer]
    store.write([replace(row, wall_time=0.5) for row in mine], SCORES)
    assert not store.has_report()
    page.unlink()
    sweep_ends()
    assert page.is_file() and store.has_report()


def test_what_lost_its_rows_goes(folder):
    write_report(folder)
    for path in (folder / "rows").glob("codebook_usage__*"):
        path.unlink()
    write_report(folder)
    assert "tables/codebook_usage.md" not in derived(folder)
    assert not {"figures/codebook_histogram.png", "figures/codebook_histogram.pdf"} & derived(folder).keys()
    assert "tables/probing.md" in derived(folder)


def test_growth_is_drawn_where_rows_tell_of_it(folder):
    write_report(folder)
    assert "figures/codebook_growth.png" not in derived(folder)
    store = ResultsStore(folder)
    row = next(row for row in store.rows() if row.task == "codebook_usage")
    mine = [r for r in store.rows() if (r.task, r.tokenizer) == (row.task, row.tokenizer)]
    growth = {"hours": [0.1, 0.2], "used": [0.5, 0.6], "perplexity": [3.0, 4.0]}
    store.write([replace(r, notes={"growth": growth}) for r in mine], USAGE)
    write_report(folder)
    assert "figures/codebook_growth.png" in derived(folder)


def test_rates_by_vocabulary_are_drawn_where_rows_tell_of_them(folder):
    write_report(folder)
    drawn = {"figures/rate_vocabulary.png", "figures/rate_vocabulary.pdf"}
    assert not drawn & derived(folder).keys() and b"reduction-bpe" not in derived(folder)["report.html"]
    store = ResultsStore(folder)
    row = next(row for row in store.rows() if row.task == "codebook_usage")
    mine = [r for r in store.rows() if (r.task, r.tokenizer) == (row.task, row.tokenizer)]
    rates = {"vocabulary": [512, 2000], "bpe": [50.0, 41.5], "dedup_bpe": [45.0, 40.25]}
    store.write([replace(r, notes={"rates_by_vocabulary": rates}) for r in mine], USAGE)
    write_report(folder)
    after = derived(folder)
    assert drawn <= after.keys() and b'"bpe":41.5' in after["report.html"]
    assert b'id="reduction-dedup_bpe"' in after["report.html"]


def test_command_prints_the_tables(folder, capsys):
    assert main([str(folder)]) == 0
    printed = capsys.readouterr().out
    texts = [
        (folder / "tables" / f"{n}.md").read_text()
        for n in ("reconstruction", "probing", "codebook_usage", "overview")
    ]
    assert printed.startswith("\n".join(texts))
    assert printed.endswith(f"\nreport: {folder / 'report.html'}\n")


def test_a_table_that_would_mix_versions_is_refused_and_costs_no_other(folder, capsys):
    write_report(folder)
    store = ResultsStore(folder)
    mine = [row for row in store.rows() if (row.task, row.tokenizer) == ("reconstruction", "mel_rvq")]
    store.write([replace(row, metric_key="v2") for row in mine], SCORES)
    assert main([str(folder)]) == 1
    error = capsys.readouterr().err
    assert "table reconstruction: " in error and "was not taken in one way" in error
    assert "tables/reconstruction.md" not in derived(folder) and "tables/probing.md" in derived(folder)


def test_an_empty_or_mistyped_folder_names_the_command_to_run(tmp_path, capsys):
    folder = tmp_path / "mimi"
    assert main([str(folder)]) == 1
    error = capsys.readouterr().err
    assert str(folder) in error and "make reproduce-table" in error and "python -m benchmark" in error
    assert not folder.exists()


def test_mixed_profiles_are_refused_in_one_line(folder, make_row, tmp_path, capsys):
    other = ResultsStore(tmp_path / "libri")
    other.write([make_row(profile="libri", tokenizer="lyra")], SCORES)
    for path in (other.root / "rows").iterdir():
        path.rename(folder / "rows" / path.name)
    assert main([str(folder)]) == 1
    assert "mixes the profiles libri, mini" in capsys.readouterr().err


def test_bold_rests_on_the_scores_beside_the_rows(tmp_path, rows, utterances):
    store = ResultsStore(tmp_path / "mini")
    for job in {(row.task, row.tokenizer) for row in rows}:
        mine = [row for row in rows if (row.task, row.tokenizer) == job]
        store.write(mine, USAGE if job[0] == "codebook_usage" else utterances(mine[0]))
    table = store.root / "tables" / "reconstruction.md"
    write_report(store.root)
    assert table.read_text() == (GOLDEN / "reconstruction.md").read_text()
    (store.root / "utterances" / "reconstruction__mel_rvq__synthetic__seed0.parquet").unlink()
    write_report(store.root)
    assert "Nothing can be bold here: no scores per utterance" in table.read_text()
