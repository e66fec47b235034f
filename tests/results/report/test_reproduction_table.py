"""The reproduction in files and on the page: every cell, escaped everywhere, shown where it belongs."""

import csv
import io
import json
from dataclasses import replace
from functools import partial

import pandas as pd
import pytest

from benchmark.errors import UserError
from benchmark.results.published.numbers import COLUMNS as COLUMNS_OF_NUMBERS
from benchmark.results.published.reproduction import reproduce
from benchmark.results.report import page
from benchmark.results.report.content import make_content
from benchmark.results.report.formats import to_latex, to_markdown
from benchmark.results.report.page import make_page
from benchmark.results.report.reproduction_table import COLUMNS, reproduction_csv, reproduction_grid
from benchmark.results.report.write import write_report
from benchmark.results.store import ResultsStore, job_name
from tests.door import door
from tests.results.published.survey_rows import all_numbers, as_ours, configs, evidence
from tests.results.report.pages import HOSTILE

main = partial(door, "reproduction")
SURVEY = [number for number in all_numbers() if number.source == "survey"]
RECORDINGS = [number for number in SURVEY if number.tokenizer == "GroundTruth"]
SCORES = pd.DataFrame({"utterance_id": ["a"], "speaker_id": ["s"], "wer": [0.5]})


@pytest.fixture(autouse=True)
def _no_library(monkeypatch):
    monkeypatch.setattr(page, "library", lambda: "/* the library */")


def found(rows, sources=("survey",)):
    return reproduce(rows, evidence(), sources)


def cells(text):
    return [line.split(" | ") for line in text.splitlines() if line.startswith("| ")]


@pytest.fixture
def folder(tmp_path, make_row):
    """Write a folder of the recordings' rows, of profile mini."""
    store = ResultsStore(tmp_path / "mini")
    rows = as_ours(make_row, RECORDINGS, profile="mini", dataset="synthetic", split="test", n_scored=60)
    identical = {"PESQ": 4.6437, "GPE": 0.0, "STOI": 1.0, "WER": 8.8}
    rows = [
        replace(row, value=identical[n.metric], lo=identical[n.metric], hi=identical[n.metric])
        for row, n in zip(rows, RECORDINGS, strict=True)
    ]
    store.write(rows, SCORES)
    return store.root


def test_every_cell_stands_in_every_file(make_row):
    reproduction = found(as_ours(make_row, SURVEY))
    grid = reproduction_grid(reproduction)
    assert len(grid.body) == len(reproduction.judged) and {len(line) for line in grid.body} == {11}
    lines = list(csv.DictReader(io.StringIO(reproduction_csv(reproduction))))
    assert len(lines) == len(grid.body) and tuple(lines[0]) == COLUMNS
    assert len(cells(to_markdown(grid))) == len(grid.body) + 2
    assert to_latex(grid).count(r"\\") == len(grid.body) + 1
    for line, entries in zip(lines, grid.body, strict=True):
        assert line["published"] == entries[5].value and line["verdict"] == entries[9].value
    mine = next(x for x in lines if (x["tokenizer"], x["metric"]) == ("encodec_24khz", "WER"))
    assert (mine["published"], mine["ours"], mine["difference"]) == ("1.53", "1.53", "0")
    assert (float(mine["least"]), float(mine["greatest"])) == pytest.approx((1.03, 2.03))
    assert "9,000 words" in mine["reason"] and "arxiv.org/abs/2502.06490v4" in mine["page"]


def test_a_line_says_what_is_printed_and_compared(make_row):
    rows = as_ours(make_row, SURVEY)
    place = next(
        i for i, n in enumerate(SURVEY) if (n.tokenizer, n.metric, n.value) == ("EnCodec", "WER", "1.53")
    )
    rows[place] = replace(rows[place], value=2.21, lo=1.9, hi=2.6)
    grid = reproduction_grid(found(rows))
    line, copied = sorted((x for x in grid.body if x[9].value == "differs"), key=lambda x: x[1].value)
    assert copied[0].value == "definition" and copied[6].value == "4.50"  # no PESQ of an identical signal
    assert [entry.value for entry in line][:5] == [
        *("survey", "encodec_24khz", "EnCodec Q=8", "reconstruction", "WER (%)")
    ]
    assert (line[6].value, line[6].rest, line[7].value, line[8].value) == (
        "2.2",
        "[1.9, 2.6]",
        "+0.68",
        "±0.5",
    )
    assert "9,000 words" in grid.footnotes[line[8].mark - 1] and line[9].bold
    assert "2 differs" in grid.title


def test_checks_that_need_no_tokenizer_come_first(make_row):
    reproduction = found(as_ours(make_row, SURVEY))
    sources = [each.published.source for each in reproduction.checks]
    assert {"definition", "survey", "llasa", "focalcodec", "sacodec"} <= set(sources)
    assert {each.config for each in reproduction.checks} == {"ground_truth"}
    names = [entry[1].value for entry in reproduction_grid(reproduction).body]
    assert names[: len(sources)] == ["ground_truth"] * len(sources)
    values = {(c.published.source, c.published.metric): c.published.value for c in reproduction.checks}
    assert values["survey", "WER"] == "1.16" and values["llasa", "WER"] == "1.96"
    assert values["llasa", "UTMOS"] == "4.09" and values["definition", "PESQ"] == "4.644"


def test_ranks_of_a_column_leave_out_recordings_alone(make_row):
    rows = [
        replace(row, kind="topline") if row.tokenizer == "mel_bigvgan" else row
        for row in as_ours(make_row, SURVEY)
    ]
    reproduction = found(rows)
    by_column = {ranking.column[3:]: ranking for ranking in reproduction.rankings}
    ranking = by_column["reconstruction", "PESQ"]
    assert (ranking.n, ranking.n_compared) == (21, 20)  # FACodec has no agreed PESQ
    assert ranking.correlation.rho == pytest.approx(1) and ranking.correlation.n == 21
    assert (by_column["reconstruction", "STOI"].n, by_column["reconstruction", "STOI"].n_compared) == (21, 12)
    assert by_column["asr_probe", "WER"].n == 18  # three did not converge
    notes = reproduction_grid(reproduction).notes
    (told,) = [note for note in notes if note.startswith("Ranks by PESQ")]
    assert "Spearman 1.00 [" in told and "21 tokenizers with both numbers, 20 of them comparable" in told


def test_tokenizers_without_a_published_number_are_named(make_row):
    rows = [*as_ours(make_row, RECORDINGS), make_row(profile="survey", tokenizer="mel_rvq")]
    reproduction = found(rows)
    assert reproduction.unpublished == ["mel_rvq"]
    assert "No published number here: mel_rvq." in reproduction_grid(reproduction).notes


def test_texts_of_rows_are_escaped_everywhere(make_row, tmp_path):
    rows = as_ours(make_row, SURVEY)
    broken = {"status": "failed", "value": None, "n_scored": 0}
    for place, text in enumerate(HOSTILE):
        rows[place] = replace(rows[place], **broken, reason=f"{text} =1+1 | a_b")
    rows[20] = replace(rows[20], split="=cmd", definition=HOSTILE[0])
    reproduction = found(rows)
    grid = reproduction_grid(reproduction)
    files = {"csv": reproduction_csv(reproduction), "md": to_markdown(grid), "tex": to_latex(grid)}
    text = make_page(tmp_path, make_content(rows, lambda _: SCORES, reproduction))
    assert HOSTILE[0] not in text and HOSTILE[1] not in text and '<a href="#reproduction">' in text
    assert "&lt;/script&gt;&lt;script&gt;window.hacked=1" in text
    assert "49" not in text[text.index("the job failed: {{") :][:40]  # a template would have said 49
    assert r"a\_b" in files["tex"] and "#&~" not in files["tex"]
    assert all(len(line) == 11 for line in cells(files["md"].replace(r"\|", "/"))[2:])
    for line in csv.reader(io.StringIO(files["csv"])):
        assert len(line) == len(COLUMNS)
        assert not any(field.startswith(("=", "@")) for field in line)


def test_the_command_writes_the_files_and_the_section(folder, capsys):
    assert main([str(folder), "source=survey,llasa"]) == 0
    printed = capsys.readouterr().out
    table = (folder / "tables" / "reproduction.md").read_text()
    assert printed.startswith(table) and "3 agrees, 0 differs" in table
    assert {path.suffix for path in (folder / "tables").glob("reproduction.*")} == {".md", ".csv", ".tex"}
    lines = list(csv.DictReader((folder / "tables" / "reproduction.csv").open(encoding="utf-8")))
    judged = {(line["source"], line["metric"]): line["verdict"] for line in lines if line["ours"]}
    assert [judged["definition", metric] for metric in ("PESQ", "STOI", "GPE")] == ["agrees"] * 3
    assert {line["source"] for line in lines if line["tokenizer"] != "ground_truth"} == {"survey", "llasa"}
    of_the_survey = [line for line in lines if line["source"] == "survey"]
    assert len(of_the_survey) == 160
    others = [line for line in of_the_survey if line["tokenizer"] == "encodec_24khz"]
    assert {(line["verdict"], line["why"]) for line in others} == {
        ("not comparable", "size mini (profile mini)")
    }
    assert '<h2 id="reproduction">Published numbers beside ours</h2>' in (folder / "report.html").read_text()


def test_a_plain_report_shows_no_source_that_is_not_of_its_protocol(folder):
    write_report(folder, ["survey"])
    assert (folder / "tables" / "reproduction.md").is_file()
    write_report(folder)
    assert not list((folder / "tables").glob("reproduction.*"))
    assert 'id="reproduction"' not in (folder / "report.html").read_text()


def test_sources_show_themselves_by_profile_or_by_a_comparable_number(make_row):
    survey = as_ours(make_row, RECORDINGS)
    assert found(survey, None).sources == ("survey",)
    assert found(as_ours(make_row, RECORDINGS, profile="survey_mini"), None).sources == ("survey",)
    assert found(as_ours(make_row, RECORDINGS, profile="mini"), None) is None
    here = {"_target_": "benchmark.data.corpora.librispeech.LibriSpeech", "splits": {"test": ["test-clean"]}}
    mimi = make_row(
        profile="libri",
        tokenizer="mimi",
        metric="utmos",
        value=3.55,
        n_scored=2620,
        definition="UTMOS22 strong learner (x) of the decoded signal alone",
        config_digest="clean",
    )
    shown = reproduce([mimi], evidence({"clean": {"dataset": here}}), None)
    assert shown.sources == ("discrete_audio_tokens", "llasa")
    assert shown.counts["agrees"] == 2


def test_an_unknown_source_is_answered_with_the_known_ones(folder, capsys):
    assert main([str(folder), "source=servey"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "unknown source 'servey'. Did you mean 'survey'?" in line and "llasa" in line
    assert not (folder / "tables").exists() and not (folder / "report.html").exists()


def test_a_faulty_file_of_numbers_costs_its_lines_alone(folder, tmp_path, capsys):
    good = dict.fromkeys(COLUMNS_OF_NUMBERS, "") | {
        "source": "survey",
        "table": "Table I",
        "tokenizer": "EnCodec",
        "variant": "Q=8",
        "dataset": "LibriTTS testset-B (500 utt)",
        "task": "reconstruction",
        "metric": "WER",
        "unit": "%",
        "value": "1.53",
        "definition": "total",
        "evidence": "primary",
    }
    path = tmp_path / "mine.csv"
    pd.DataFrame([good, good | {"unit": "ratio"}]).to_csv(path, index=False)
    assert main([str(folder), "source=survey", "--numbers", str(path)]) == 0
    printed = capsys.readouterr().out
    assert (
        "mine.csv, line 3 (survey EnCodec reconstruction WER) is left out: the unit of WER is '%'" in printed
    )
    assert "1 not comparable" in printed


def test_two_folders_or_a_missing_one_are_refused(folder, tmp_path, capsys):
    assert main([str(folder), str(tmp_path)]) == 1
    assert "one results folder at a time" in capsys.readouterr().err
    assert main([str(tmp_path / "none")]) == 1
    assert "no results in" in capsys.readouterr().err


def test_rows_of_no_job_are_refused():
    with pytest.raises(UserError, match="no rows"):
        reproduce([], evidence(), ["survey"])


def test_conditions_read_the_configs_and_scores_of_the_folder(tmp_path, make_row):
    """A row's config is found by its digest; a damaged config states nothing."""
    number = next(n for n in SURVEY if (n.tokenizer, n.task) == ("HuBERT", "asr_probe"))
    store = ResultsStore(tmp_path / "survey")
    (row,) = as_ours(make_row, [number])
    store.write([row], SCORES)
    assert job_name(row) == "asr_probe__hubert_large_l24__librispeech_960__seed0"
    kept = store.root / "configs"
    kept.mkdir()
    for content, verdict in ((json.dumps(configs()["asr_probe"]), "agrees"), ("{damaged", "not comparable")):
        (kept / "asr_probe.json").write_text(content)
        write_report(store.root, ["survey"])
        text = (store.root / "tables" / "reproduction.csv").read_text(encoding="utf-8")
        lines = [x for x in csv.DictReader(io.StringIO(text)) if x["our_metric"] == "probe_wer"]
        assert [line["verdict"] for line in lines] == [verdict]
