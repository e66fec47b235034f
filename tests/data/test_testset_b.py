"""The command `data testset_b`: LibriTTS's test-clean with both lists, from a server on loopback."""

import json
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from benchmark.data.corpora.libritts import LibriTTS
from benchmark.data.download.download import checksum
from benchmark.data.download.published_corpora import CONVERSION_LIST, CORPORA, PROMPT_LIST, Counts
from benchmark.jobs.cost.corpus_sizes import speech
from benchmark.storage.artifacts import ArtifactStore
from tests.door import door


def main(arguments: list[str]) -> int:
    """Run the command in this process alone."""
    return door("data", [*arguments, "--workers", "1"])


MAPPING = [
    line.split() for line in (Path(__file__).parent / "fixtures" / "utt2prompt").read_text().splitlines()
]
"""A source of each of the 37 speakers, and the prompt of another speaker for all sources of the speaker."""
PROMPT_OF = {prompt.partition("_")[0]: prompt for _, prompt in MAPPING}
ALONE = "672_122797_000002_000002"
SECONDS = 0.1
COUNTS = 500, 37


def utterances() -> dict[str, str]:
    """500 sources by the prompt that converts them: 14 of each speaker but one, of whom there is one."""
    found: dict[str, str] = {}
    for number in range(14):
        for first, prompt in MAPPING:
            speaker, chapter, *_ = first.split("_")
            name = first if number == 0 else f"{speaker}_{chapter}_9{number:05d}_000000"
            if (number == 0 or speaker != "672") and len(found) < COUNTS[0]:
                found[name] = prompt
    return found


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the server has it: the archive, and both lists."""
    folder = tmp_path_factory.mktemp("published")
    root, pairs = folder / "LibriTTS", utterances()
    assert len(pairs) == COUNTS[0] and ALONE in pairs
    tone = 0.1 * np.sin(np.arange(round(SECONDS * 24_000)) / 9)
    for name in {*pairs, *pairs.values()}:
        speaker, chapter, *_ = name.split("_")
        path = root / "test-clean" / speaker / chapter / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, tone, 24_000)
        path.with_suffix(".normalized.txt").write_text("hello")
    (root / "SPEAKERS.txt").write_text("".join(f"{s} | F | test-clean | 8 | A\n" for s in PROMPT_OF))
    own = [f"{name} {PROMPT_OF[name.partition('_')[0]]}\n" for name in pairs]
    (folder / PROMPT_LIST).write_text("".join(own))
    (folder / CONVERSION_LIST).write_text("".join(f"{name} {prompt}\n" for name, prompt in pairs.items()))
    with tarfile.open(folder / "test-clean.tar.gz", "w:gz", compresslevel=1) as tar:
        tar.add(root, "LibriTTS")
    return folder


@pytest.fixture
def served(published: Path, file_server: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a server that has the files; the table points to the server."""
    for path in published.iterdir():
        if path.is_file():
            (file_server.folder / path.name).write_bytes(path.read_bytes())
    corpus = CORPORA["testset_b"]
    archive = corpus.archives["test-clean"]
    name = archive.source.name
    source = replace(
        archive.source,
        base=file_server.url,
        size=(published / name).stat().st_size,
        checksum=checksum(published / name, "md5"),
    )
    lists = tuple(
        replace(one, base=file_server.url, size=one.size and (published / one.name).stat().st_size)
        for one in archive.annotations
    )
    files = len(list((published / "LibriTTS").rglob("*.wav")))
    parts = archive.parts | {"test-clean": Counts(files, COUNTS[1], files * SECONDS / 3600)}
    small = replace(archive, source=source, annotations=lists, parts=parts)
    monkeypatch.setitem(CORPORA, "testset_b", replace(corpus, archives={"test-clean": small}))
    monkeypatch.setattr("benchmark.data.download.download.PAUSE", 0.0)
    return file_server.folder


def faults(root: Path) -> set[tuple[str, str, str]]:
    report = json.loads((root / "testset_b-report.json").read_text())
    return {(one["part"], one["kind"], Path(one["where"]).name) for one in report["faults"]}


def test_the_published_addresses_and_numbers() -> None:
    archive = CORPORA["testset_b"].archives["test-clean"]
    addresses = [source.base + source.name for source in archive.annotations]
    assert addresses[0] == "https://cpdu.github.io/unicats/resources/testsetB_utt2prompt"
    assert addresses[1].endswith("/LSCodec/audio_ready/VC/utt2prompt") and "c294db4" in addresses[1]
    assert archive.source == CORPORA["libritts"].archives["test-clean"].source
    assert archive.parts[PROMPT_LIST] == archive.parts[CONVERSION_LIST] == Counts(500, 37)


def test_both_lists_are_fetched_checked_and_read(
    served: Path, file_server: Any, tmp_path: Path, store: ArtifactStore, capsys: pytest.CaptureFixture
) -> None:
    root = tmp_path / "data"
    assert main(["testset_b", str(root)]) == 0
    said = capsys.readouterr().out
    assert "Nothing is missing or damaged." in said
    folder = root / "LibriTTS"
    listed, pairs = folder / "testset-B" / PROMPT_LIST, folder / "testset-B" / CONVERSION_LIST
    for setting, path in {"LIBRITTS": folder, "TESTSET_B": listed, "UTT2PROMPT": pairs}.items():
        assert f"To use it: {setting}={path}\n" in said
    report = json.loads((root / "testset_b-report.json").read_text())
    assert report["files"] == len(list(folder.rglob("*.wav")))  # each once, though both lists name most
    found = {part["part"]: part["found"] for part in report["parts"]}
    for name in (PROMPT_LIST, CONVERSION_LIST):
        assert (found[name]["utterances"], found[name]["speakers"]) == COUNTS
    corpus = LibriTTS(name="libritts", root=str(root), splits={"test": ["test-clean"]}, test_list=str(listed))
    assert len(corpus.manifest("test", store)) == 500 and len(corpus.manifest("test_prompts", store)) == 37
    requests = len(file_server.asked)
    assert main(["testset_b", str(folder)]) == 0 and len(file_server.asked) == requests  # nothing again


def test_what_is_wrong_with_a_list_is_named(
    served: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    root = tmp_path / "data"
    path = served / PROMPT_LIST
    rest = path.read_text().splitlines()[2:]
    lines = [*rest, rest[0], "only_one_id", "1_1_000000_000000 1_1_000001_000000"]
    path.write_text("\n".join(lines) + "\n")
    assert main(["testset_b", str(root)]) == 1
    assert faults(root) == {
        (PROMPT_LIST, "listed twice", rest[0].split()[0]),
        (PROMPT_LIST, "not two ids", "only_one_id"),
        (PROMPT_LIST, "not in test-clean", "1_1_000000_000000"),
        (PROMPT_LIST, "not in test-clean", "1_1_000001_000000"),
    }
    said = capsys.readouterr().out
    assert f"{PROMPT_LIST}: listed twice" in said and "498 / 500 *" in said
    (root / "LibriTTS" / "testset-B" / CONVERSION_LIST).unlink()
    assert main(["testset_b", str(root), "--verify"]) == 1
    assert ("annotations", "missing", CONVERSION_LIST) in faults(root)


def test_a_conversion_list_of_another_size_is_refused(
    served: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    with (served / CONVERSION_LIST).open("a") as file:
        file.write("one more\n")
    assert main(["testset_b", str(tmp_path / "data")]) == 1
    assert "bytes" in (said := capsys.readouterr().err) and CONVERSION_LIST in said


def test_a_plan_of_libritts_still_knows_all_its_subsets(tmp_path: Path, store: ArtifactStore) -> None:
    corpus = LibriTTS(name="libritts", root=str(tmp_path), splits={"train": ["train-clean-100"]})
    assert speech(corpus, "train", store).utterances == 33_236
