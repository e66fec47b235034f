"""The published numbers: equal to the survey's own table, complete, and checked line by line."""

import csv
from pathlib import Path

import pytest

from benchmark.errors import UserError
from benchmark.results.published.judge import counterpart_of
from benchmark.results.published.names import read_counterparts, read_sources
from benchmark.results.published.numbers import COLUMNS, FILE, read_numbers
from benchmark.results.published.rules import read_rules
from tests.results.published.survey_rows import all_numbers

TABLE = Path(__file__).parent / "survey_table_1.md"
"""Table I of the survey (arXiv 2502.06490v4), transcribed apart from the CSV."""
CELLS = {
    "WER": ("reconstruction", "WER"),
    "GPE": ("reconstruction", "GPE"),
    "PESQ": ("reconstruction", "PESQ"),
    "STOI": ("reconstruction", "STOI"),
    "VC WER": ("voice_conversion", "WER"),
    "SECS": ("voice_conversion", "SECS"),
    "P.Corr": ("voice_conversion", "P.Corr"),
    "ASR WER": ("asr_probe", "WER"),
    "IC acc": ("intent_probe", "ACC"),
}
ROOT = Path(__file__).resolve().parents[3]


def read(path, **more):
    rules = read_rules()
    return read_numbers(path, read_sources(), more.get("units", rules.units), rules.datasets)


def table():
    header, _, *lines = TABLE.read_text(encoding="utf-8").splitlines()
    names = [name.strip() for name in header.strip("| ").split("|")]
    return [dict(zip(names, map(str.strip, line.strip("| ").split("|")), strict=True)) for line in lines]


def test_the_survey_equals_its_table_cell_by_cell():
    numbers = [number for number in all_numbers() if number.source == "survey"]
    found = {(counterpart_of(n), n.task, n.metric): n for n in numbers}
    assert len(found) == len(numbers) == 160
    lines = table()
    assert len(lines) == 22
    cells = 0
    for line in lines:
        name = line["project config"]
        for heading, place in CELLS.items():
            if line[heading] in ("–", ""):
                assert (name, *place) not in found
                continue
            assert found[name, *place].value == line[heading], (name, heading)
            cells += 1
        of_line = found[name, "reconstruction", "WER"]
        assert of_line.bitrate_kbps == line["kbps"].strip("–")
        rates = [
            round(float(rate)) for rate in of_line.frame_rate_hz.split("+") if "+" in of_line.frame_rate_hz
        ]
        assert ("+".join(map(str, rates)) or of_line.frame_rate_hz) == line["F Hz"]
    assert cells == 160


def test_every_number_has_a_name_here_or_a_reason_and_names_are_configs():
    numbers = all_numbers()
    known = read_counterparts()
    assert {(n.source, n.tokenizer, n.variant) for n in numbers} == known.keys()
    assert all(bool(each.config) != bool(each.why_none) for each in known.values())
    configs = {path.stem for path in (ROOT / "conf" / "tokenizer").glob("*.yaml")}
    assert {each.config for each in known.values() if each.config} <= configs


def test_every_number_has_a_source_and_a_definition_and_none_stands_twice():
    numbers = all_numbers()
    assert len(numbers) == 889
    assert {number.source for number in numbers} == set(read_sources())
    assert all(number.definition and number.table for number in numbers)
    assert all(source.cite and source.page for source in read_sources().values())


def test_sources_agree_where_they_print_the_same_number():
    """Llasa and MOSS print one table for six of seven tokenizers, and CodecSlime the survey's recordings."""
    by = {
        (n.source, counterpart_of(n), n.task, n.metric): n.value for n in all_numbers() if counterpart_of(n)
    }
    for config in ("xcodec2", "bigcodec", "encodec_24khz_1k5"):
        for metric in ("PESQ-WB", "PESQ-NB", "STOI"):
            place = config, "reconstruction", metric
            assert float(by["llasa", *place]) == float(by["moss", *place])
    for metric in ("WER", "PESQ"):
        place = "ground_truth", "reconstruction", metric
        assert by["codecslime", *place] == by["survey", *place]


GOOD = {
    "source": "survey",
    "table": "Table I",
    "tokenizer": "EnCodec",
    "variant": "Q=8",
    "dataset": "LibriTTS testset-B (500 utt)",
    "task": "reconstruction",
    "metric": "WER",
    "unit": "%",
    "value": "1.53",
    "definition": "total WER",
    "evidence": "primary",
}


def write(path, *lines):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(lines)
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"unit": "ratio"}, "the unit of WER is '%', not 'ratio'"),
        ({"unit": ""}, "the unit of WER is '%', not ''"),
        ({"source": "servey"}, "unknown source 'servey'. Did you mean 'survey'?"),
        ({"metric": "WERR"}, "unknown metric 'WERR'. Did you mean 'WER'?"),
        ({"dataset": "LibriTTS"}, "unknown dataset 'LibriTTS'"),
        ({"value": "1,53"}, "'1,53' is neither a number nor NC"),
        ({"value": "nan"}, "'nan' is neither a number nor NC"),
        ({"value": ""}, "it has no value"),
        ({"definition": " "}, "it has no definition"),
        ({"sd": "±1"}, "the standard deviation '±1' is no number"),
        ({"evidence": "hearsay"}, "unknown evidence 'hearsay'"),
        ({}, "it stands there twice"),
    ],
)
def test_a_bad_line_is_told_in_a_sentence_and_the_rest_goes_on(tmp_path, change, words):
    other = GOOD | {"metric": "PESQ", "unit": "", "value": "2.83"}
    numbers, faults = read(write(tmp_path / "mine.csv", GOOD, GOOD | change, other))
    assert [(number.metric, number.number) for number in numbers] == [("WER", 1.53), ("PESQ", 2.83)]
    (fault,) = faults
    assert fault.startswith("mine.csv, line 3 (") and words in fault and "\n" not in fault


def test_a_training_that_did_not_converge_is_no_number(tmp_path):
    (number,), faults = read(write(tmp_path / "mine.csv", GOOD | {"value": "NC"}))
    assert number.number is None and not faults


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"source,value\nsurvey,1\n", "lacks the columns table"),
        (b"\xff\xfe", "cannot be"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path, content, words):
    path = tmp_path / "mine.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=words):
        read(path)


def test_the_file_is_part_of_the_package():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert '"benchmark.results.published" = ["*.csv", "*.yaml"]' in text and FILE.is_file()
