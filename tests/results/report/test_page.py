"""The page as a file: same numbers as the tables, same bytes, no outside content, no harmful text."""

import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from benchmark.results.report import page
from benchmark.results.report.best_in_column import hold_contest
from benchmark.results.report.grid import make_grid
from benchmark.results.report.page_audio import FLAC, OPUS, collect
from benchmark.results.report.page_charts import histograms, library
from benchmark.results.report.page_facts import problems, provenance, versions
from benchmark.results.report.page_tables import anchor_of
from benchmark.results.report.tables import make_table, make_tables
from benchmark.storage.hashing import file_name
from tests.results.report.pages import HOSTILE, page_of, small_benchmark, wav


@pytest.fixture(autouse=True)
def _no_library(monkeypatch):
    monkeypatch.setattr(page, "library", lambda: "/* the library */")


class Cells(HTMLParser):
    """Parser of the cell texts of each sortable table, without the texts for screen readers."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables, self.open, self.unseen = [], None, 0
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr" and self.tables:
            self.tables[-1].append([])
        elif tag in ("td", "th") and self.tables:
            self.tables[-1][-1].append("")
            self.open = True
        elif tag == "span" and (self.unseen or dict(attributes).get("class") == "unseen"):
            self.unseen += 1

    def handle_endtag(self, tag):
        if tag in ("td", "th"):
            self.open = None
        elif tag == "span" and self.unseen:
            self.unseen -= 1

    def handle_data(self, data):
        if self.open and not self.unseen:
            self.tables[-1][-1][-1] += data


def data_of(text, name):
    return json.loads(re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', text)[1])


def test_the_tables_are_those_of_the_files(rows, utterances, tmp_path):
    text = page_of(rows, tmp_path, utterances)
    found = Cells(text).tables
    names = list(make_tables(rows)[0])
    for name, cells in zip(names, found, strict=False):
        table = make_table(name, rows)
        grid = make_grid(table, hold_contest(table, utterances))
        printed = [
            [
                e.value + ("" if e.mark is None else str(e.mark)) + (f" {e.rest}" if e.rest else "")
                for e in line
            ]
            for line in grid.body
        ]
        assert [[cell.strip() for cell in line] for line in cells[1:]] == printed
        assert [cell.removesuffix("?").strip() for cell in cells[0]] == grid.header


def test_bold_numbers_and_words_for_what_is_not_there(rows, utterances, tmp_path):
    text = page_of(rows, tmp_path, utterances)
    assert "<strong>10.0<span" in text and "significantly best" in text
    for word in ("did not converge", "failed", "missing, this job has not run", "not applicable"):
        assert f'<span class="unseen">{word}</span>' in text


def test_every_link_within_the_page_leads_somewhere(rows, utterances, tmp_path):
    tags = Cells(page_of(rows, tmp_path, utterances)).tags
    ids = [facts["id"] for _, facts in tags if "id" in facts]
    assert len(ids) == len(set(ids))
    for tag, facts in tags:
        if tag == "a" and facts["href"].startswith("#"):
            assert facts["href"][1:] in ids
        for name in ("aria-labelledby", "for"):
            assert facts.get(name, ids[0]) in ids


def test_every_control_has_a_name_and_every_header_a_scope(rows, utterances, tmp_path):
    text = page_of(rows, tmp_path, utterances)
    for control in re.finditer(r"<(select|input)\b[^>]*>", text):
        before = text[: control.start()]
        assert before.rfind("<label") > before.rfind("</label>"), control[0]
    assert all("scope" in facts for tag, facts in Cells(text).tags if tag == "th")


def test_the_same_results_give_the_same_bytes(make_row, tmp_path):
    made = [page_of(*_arguments(make_row, tmp_path / name)) for name in "ab"]
    assert made[0] == made[1]


def _arguments(make_row, folder):
    rows, utterances = small_benchmark(make_row, folder)
    return rows, folder, utterances


def test_nothing_is_asked_of_the_network(make_row, tmp_path):
    text = page_of(*_arguments(make_row, tmp_path))
    policy = html.unescape(re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)[1])
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy and "http" not in policy
    assert "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]
    for tag, facts in Cells(text).tags:
        for name in ("src", "href", "action", "srcset"):
            assert re.match(r"#|data:", facts.get(name, "#")), (tag, facts)


def test_hostile_words_stay_words(make_row, tmp_path):
    text = page_of(*_arguments(make_row, tmp_path))
    tags = Cells(text).tags
    assert sum(tag == "script" for tag, _ in tags) == 7  # three of data, four of code
    assert not any(tag == "img" or any(name.startswith("on") for name in facts) for tag, facts in tags)
    assert not any(str(facts.get("href", "")).startswith("javascript") for _, facts in tags)
    assert "{{ 7 * 7 }} {% raw %}" in text
    ids = {case["id"] for job in data_of(text, "cases") for case in job["cases"]}
    assert ids == {*HOSTILE[:3], "plain-0001"}
    assert html.escape(HOSTILE[0]).replace("&quot;", "&#34;") in text


def test_a_script_that_would_end_its_element_is_refused():
    with pytest.raises(ValueError, match="end its element"):
        page._safe("x = '</SCRIPT>'")


def test_cases_are_the_worst_the_best_and_the_failed(make_row, tmp_path):
    rows = [make_row(metric="wer", value=10.0), make_row(metric="delay", value=0.0)]
    count = 40
    frame = pd.DataFrame({"utterance_id": [f"u{n:02}" for n in range(count)], "speaker_id": "s"})
    frame["wer"] = np.arange(count, dtype=float)
    frame["delay"] = -frame["wer"]
    frame.loc[20, ["wer", "delay"]] = np.nan
    frame["failure"] = pd.Series([None] * 20 + ["no speech"] + [None] * 19, dtype=object)
    (job,) = data_of(page_of(rows, tmp_path, lambda row: frame), "cases")
    names = [case["id"] for case in job["cases"]]
    assert names == [f"u{n:02}" for n in (0, 1, 2, 3, 4, 20, 35, 36, 37, 38, 39)]
    assert job["total"] == count
    assert ["failed because", "no speech"] in job["cases"][5]["texts"] and job["cases"][5]["scores"] == [
        None
    ] * 2


def test_ratios_of_sums_are_shares_of_an_utterance(make_row, tmp_path):
    rows = [make_row(task="asr_probe", metric="probe_wer", value=10.0)]
    frame = pd.DataFrame(
        {"utterance_id": ["a", "b"], "speaker_id": "s", "words_wrong": [1.0, 0], "words": [4.0, 0]}
    )
    (job,) = data_of(page_of(rows, tmp_path, lambda row: frame), "cases")
    assert [case["scores"] for case in job["cases"] if case["id"] == "a"] == [[25.0]]


def test_what_is_said_comes_from_another_job_where_one_does_not_keep_it(make_row, tmp_path):
    rows = [make_row(metric="wer", value=10.0), make_row(task="asr_probe", metric="probe_wer", value=10.0)]
    spoken = pd.DataFrame(
        {"utterance_id": ["a"], "speaker_id": "s", "reference": "hello", "words_wrong": [1.0], "words": [1.0]}
    )
    scored = pd.DataFrame({"utterance_id": ["a"], "speaker_id": "s", "wer": [5.0], "wer:text": "hallo"})
    found = data_of(page_of(rows, tmp_path, lambda r: spoken if r.task == "asr_probe" else scored), "cases")
    assert found[0]["cases"][0]["texts"] == [["reference", "hello"], ["heard as", "hallo"]]


def write_sounds(folder, job, *names, pitch=300.0, seconds=0.5):
    (folder / job).mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / job / f"{file_name(name)}_source.wav").write_bytes(wav(seconds, 200.0))
        (folder / job / f"{file_name(name)}_reconstructed.wav").write_bytes(wav(seconds, pitch))


def test_a_recording_that_several_jobs_share_is_embedded_once(tmp_path):
    jobs = [("reconstruction__a", ["x", "../y"]), ("reconstruction__b", ["x", "../y"])]
    for place, (job, names) in enumerate(jobs):
        write_sounds(tmp_path, job, *names, pitch=300.0 + place)
    sounds = collect(tmp_path, jobs)
    assert sounds.kind == FLAC and sounds.left_out == 0
    assert len(sounds.clips) == 3
    assert sounds.of["reconstruction__a", "../y"]["source"] == sounds.of["reconstruction__b", "x"]["source"]


def test_recordings_that_do_not_fit_become_smaller_and_then_fewer(tmp_path):
    jobs = [("reconstruction__a", ["x", "y"]), ("reconstruction__b", ["x"])]
    noise = np.random.default_rng(0)
    for job, names in jobs:
        write_sounds(tmp_path, job, *names, pitch=200 + 100 * noise.random())
    write_sounds(tmp_path, "reconstruction__a", "y", pitch=777.0)
    lossless = sum(map(len, collect(tmp_path, jobs).clips.values()))
    opus = collect(tmp_path, jobs, lossless - 1)
    assert opus.kind == OPUS and opus == collect(tmp_path, jobs, lossless - 1)
    few = collect(tmp_path, jobs, 3 * max(map(len, opus.clips.values())))
    assert sum(map(len, few.clips.values())) <= 3 * max(map(len, opus.clips.values()))
    assert {name for _, name in few.of} == {"x"} and few.left_out > 0


def test_damaged_and_strange_files_are_passed_over(tmp_path):
    write_sounds(tmp_path, "reconstruction__a", "x")
    (tmp_path / "reconstruction__a" / "x_source.wav").write_bytes(b"RIFF no")
    assert collect(tmp_path, [("reconstruction__a", ["x"])]).of.keys() == {("reconstruction__a", "x")}
    assert not collect(tmp_path / "nowhere", [("reconstruction__a", ["x"])]).clips


def test_long_histograms_are_thinned_and_keep_their_ends():
    counts = pd.DataFrame({"codebook": 0, "code": range(5000), "count": np.arange(5000, 0, -1)})
    (found,) = histograms({"mel_rvq": counts}, {"mel_rvq": 8192})
    assert len(found["points"]) <= 160
    assert [found["points"][end]["rank"] for end in (0, -1)] == [1, 5000]


def test_problems_are_told_once_and_the_gravest_first(rows):
    found = problems([make_table(name, rows) for name in ("reconstruction", "probing")])
    assert [problem.status for problem in found] == sorted(
        (problem.status for problem in found),
        key=["failed", "missing", "NC, did not converge", "some utterances have no score"].index,
    )
    failed = next(problem for problem in found if problem.tokenizer == "whisper_kmeans")
    assert failed.metrics == "WER, GPE, PESQ" and failed.reason == "R&D_x: 100% | #1 {bad}"


def test_versions_that_differ_are_all_told(make_row):
    row = make_row()
    found = versions([row, replace(row, versions={"python": "3.11.9", "torch": "2.11.0"})])
    assert found == {"python": "3.11.7, 3.11.9", "torch": "2.11.0"}


def test_provenance_names_the_machines_of_scores_and_of_trainings(make_row):
    trained = [{"processor": "EPYC", "instructions": "AVX2", "threads": 4, "devices": 1}]
    scored = make_row(machine={"processor": "Xeon", "instructions": "AVX512"})
    both = replace(
        scored, machine=scored.machine | {"trained_on": {"probes/1": trained, "probes/2": trained}}
    )
    facts = dict(provenance([scored, both, make_row()]))
    assert facts["processor"] == "Xeon (AVX512); unknown"
    assert facts["trained on"] == "EPYC (AVX2), 4 threads, 1 device"
    assert "trained on" not in dict(provenance([scored]))


def test_anchors_are_words_of_their_own():
    anchors = {anchor_of("t", metric) for metric in ("a/b", "a b", "a-b", 'a"b', "a<b", "é")}
    assert len(anchors) == 6 and all(re.fullmatch(r"[a-z0-9-]+", anchor) for anchor in anchors)


def test_the_library_is_whole_and_the_same_each_time():
    library.cache_clear()
    script = library()
    assert len(script) < 1_200_000 and "vegaEmbed" in script
    assert page._safe(script) == script
