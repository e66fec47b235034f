"""Reader of a user's list of recordings, which reports all mistakes at once with their lines."""

import json
import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from benchmark.data.manifest_errors import Problems
from benchmark.data.user_manifest import COLUMNS, Line, read_user_manifest

HEADER = "audio_path,utterance_id,speaker_id,split,text,intent,scenario,language,gender\n"


def said(problems: Problems) -> str:
    return "\n".join(problems.lines())


def listed(tmp_path: Path, content: str | bytes, suffix: str = ".csv") -> Any:
    path = tmp_path / f"my{suffix}"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_user_manifest(path)


def test_the_example_of_the_documentation_is_one(tmp_path: Path) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/how-to/custom_corpus.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```csv\n(.*?)```", page, re.DOTALL)
    lines, problems, warnings = listed(tmp_path, block)
    assert len(lines) == 2 and not problems and not warnings
    assert all(f"`{name}`" in page for name in COLUMNS)


def test_every_column_is_read(tmp_path: Path) -> None:
    row = 'a/b.wav,u1,ann,dev," Stop,  ""now"" ",audio_stop,audio,pt-BR,female\n'
    (line,) = listed(tmp_path, HEADER + row).lines
    assert line == Line(2, "a/b.wav", "u1", "ann", "dev", 'Stop, "now"', "audio_stop", "audio", "pt-br", "F")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".CSV"])
def test_two_columns_are_enough_in_every_format(tmp_path: Path, suffix: str) -> None:
    rows = [{"audio_path": "a/one.wav", "speaker_id": "19"}, {"audio_path": "two.wav", "speaker_id": "7"}]
    between = "\t" if suffix == ".tsv" else ","
    text = between.join(rows[0]) + "\r\n" + "".join(between.join(row.values()) + "\r\n\r\n" for row in rows)
    if suffix == ".jsonl":
        text = "".join(json.dumps(row | {"speaker_id": int(row["speaker_id"])}) + "\n\n" for row in rows)
    lines, problems, warnings = listed(tmp_path, "\ufeff" + text, suffix)  # as a spreadsheet writes it
    assert not problems and not warnings
    assert [(line.utterance_id, line.speaker_id) for line in lines] == [("one", "19"), ("two", "7")]
    assert {(line.split, line.language, line.text, line.gender) for line in lines} == {
        ("test", "en", None, None)
    }


def test_all_mistakes_are_found_at_once_with_their_lines(tmp_path: Path) -> None:
    rows = [
        "a.wav,a,ann,train,hello,,,en,F",
        "b.wav,a,ann,train,hello,,,en,F",  # 3: id of line 2
        ",c,ann,train,hello,,,en,F",  # 4: no path
        "d.wav,d,,validation,hello,,,English,X",  # 5: four mistakes in one line
        "e.wav,e,ann,train,hello, world,,,en,F",  # 6: a comma without quotes
        "f.wav,f\x07,ann,train,hello,,,en,F",  # 7: an id that rings
        "g.wav,g,ann,train,hello,on,light,en,F",
        "h.wav,h,ann,train,hello,on,radio,en,F",  # 9: on has two scenarios
        "i.wav,d,ann,train,hello,,,en,F",  # 10: id of line 5, whatever else is wrong there
    ]
    lines, problems, _ = listed(tmp_path, HEADER + "\n".join(rows) + "\n")
    text = said(problems)
    for words in (
        ["given twice", "line 3: 'a' is on line 2", "line 10: 'd' is on line 5"],
        ["no audio_path (1)\n    line 4"],
        ["no speaker_id (1)\n    line 5"],
        ["unknown split", "line 5: 'validation', did you mean 'dev'?"],
        ["unknown language", "line 5: 'english'"],
        ["unknown gender; legal: F, M", "line 5: 'X'"],
        ["needs quotes", "line 6: 10 fields, the header has 9"],
        ["invisible", r"line 7: utterance_id 'f\x07'"],
        ["two scenarios", "line 9: on is of light and of radio"],
    ):
        assert all(word in text for word in words), (words, text)
    assert len(problems) == 10
    assert [line.number for line in lines] == [2, 3, 5, 7, 8, 9, 10]


def test_columns_under_other_names_are_mistakes_and_others_are_let_be(tmp_path: Path) -> None:
    _, problems, warnings = listed(tmp_path, "audio_filepath,speakerid,Sentence,duration\na.wav,x,hi,3.2\n")
    text = said(problems)
    assert "'audio_filepath', did you mean 'audio_path'?" in text
    assert "'speakerid', did you mean 'speaker_id'?" in text
    assert "'Sentence', did you mean 'text'?" in text
    assert "missing column (2)\n    audio_path (the header is line 1)\n    speaker_id" in text
    assert "duration" not in text and "'duration'" in said(warnings)


def test_json_lines_that_are_none(tmp_path: Path) -> None:
    good = {"audio_path": "a.wav", "speaker_id": "x"}
    rows = [
        json.dumps(good),
        "{'audio_path': 'b.wav'}",
        "[1, 2]",
        json.dumps(good | {"audio_path": None, "text": 3.5}),
        json.dumps(good | {"audio_path": "d.wav", "utterence_id": "d", "gender": True}),
        "[" * 100_000,
        json.dumps(good | {"audio_path": "e.wav", "text": "\ud800"}),
    ]
    lines, problems, _ = listed(tmp_path, "\n".join(rows), ".jsonl")
    text = said(problems)
    assert [line.number for line in lines] == [1, 5, 7]
    assert "not JSON (2)\n    line 2" in text and "not a JSON object (1)\n    line 3" in text
    assert "no audio_path (1)\n    line 4" in text and "line 6" in text
    assert "line 4: text is 3.5" in text and "line 5: gender is True" in text
    assert "'utterence_id', did you mean 'utterance_id'?" in text
    assert "not UTF-8" in text and "line 7: text" in text


def test_a_table_in_another_encoding_names_its_lines(tmp_path: Path) -> None:
    content = "audio_path,speaker_id,text\na.wav,x,plain\nb.wav,x,café\n".encode("latin-1")
    problems = listed(tmp_path, content).problems
    assert (
        len(problems) == 1 and "save the file as UTF-8" in said(problems) and "line 3: text" in said(problems)
    )


def test_an_open_quote_is_found_where_it_opens(tmp_path: Path) -> None:
    rows = 'a.wav,x,fine\nb.wav,x,"never closed\nc.wav,x,swallowed\n'
    lines, problems, _ = listed(tmp_path, "audio_path,speaker_id,text\n" + rows)
    assert [line.number for line in lines] == [2]
    assert "is a quote not closed?" in said(problems) and "line 3: " in said(problems)


def test_a_text_of_two_lines_moves_no_line_numbers(tmp_path: Path) -> None:
    rows = 'a.wav,x,"two\nlines"\nb.wav,,one\n'
    (line, _), problems, _ = listed(tmp_path, "audio_path,speaker_id,text\n" + rows)
    assert line.text == "two lines"
    assert "line 4" in said(problems)


def test_one_spelling_in_two_forms_is_one_id(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "é") for form in ("NFC", "NFD"))
    rows = f"1.wav,{composed},x\n2.wav,{decomposed},x\n"
    lines, problems, _ = listed(tmp_path, "audio_path,utterance_id,speaker_id\n" + rows)
    assert len({line.utterance_id for line in lines}) == 1 and "given twice" in said(problems)


def test_what_only_looks_odd_is_a_warning(tmp_path: Path) -> None:
    rows = "a.wav,u1,x,train\nb.wav,u2,x,test\nc.wav,u3,y,test\nd.wav,u4,y,test_de\na.wav,u5,x,train\n"
    lines, problems, warnings = listed(tmp_path, "audio_path,utterance_id,speaker_id,split\n" + rows)
    assert len(lines) == 5 and not problems
    assert "speakers in several splits (1)\n    x: train, test" in said(warnings)  # y speaks German as well
    assert "lines 2 and 6: a.wav" in said(warnings)


def test_nothing_listed_is_a_mistake(tmp_path: Path) -> None:
    for content in ("", "audio_path,speaker_id\n", "\n\n"):
        assert "the file lists none" in said(listed(tmp_path, content).problems)


def test_many_of_a_kind_are_counted_and_the_first_shown(tmp_path: Path) -> None:
    rows = "".join(f"{number}.wav,\n" for number in range(30_000))
    problems = listed(tmp_path, "audio_path,speaker_id\n" + rows).problems
    assert len(problems) == 30_000
    assert said(problems).splitlines() == [
        "no speaker_id (30,000)",
        *(f"    line {number}" for number in range(2, 7)),
        "    and 29,995 more",
    ]
