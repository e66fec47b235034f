"""The command `data` on small corpora in their published layouts, from a server on loopback.

The tests cover which files are downloaded, and the verification of complete and damaged copies.
"""

import hashlib
import json
import pickle
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections import namedtuple
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import soundfile

from benchmark.data.audio import resample
from benchmark.data.corpora.librispeech import LibriSpeech
from benchmark.data.corpora.libritts import LibriTTS
from benchmark.data.corpora.slurp import Slurp
from benchmark.data.download import preparation as preparations
from benchmark.data.download.download import checksum
from benchmark.data.download.published_corpora import CORPORA, Counts, PublishedCorpus, Source
from benchmark.data.synthesis.espeak import SYNTHESIS_RATE, synthesize
from benchmark.errors import UserError
from benchmark.storage.artifacts import ArtifactStore
from tests.door import door

main = partial(door, "data")

REPOSITORY = Path(__file__).resolve().parents[2]
SENTENCES = ["Call me later.", "It rained all day."]
READERS = {"dev-clean": ("84", "174"), "test-other": ("367",)}
VOICES = {"84": "f1", "174": "m1", "367": "f2"}
TABLE = """\
; Some pipe(|) separated metadata about all LibriVox readers, whose work was used
; in the corpus.
;
;ID  |SEX| SUBSET           |MINUTES| NAME
84   | F | dev-clean        |  8.02 | Christie Nowak
174  | M | dev-clean        |  8.04 | |CBW|Simon
367  | F | test-other       |  8.06 | J. "Ay" M
"""
TSV = "READER\tGENDER\tSUBSET\tNAME\n84\tF\tdev-clean\tC\n174\tM\tdev-clean\tS\n367\tF\ttest-other\tJ\n"


def speak(path: Path, text: str, voice: str, rate: int) -> float:
    """Synthesise a text to a file and return its length in seconds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    speech = resample(synthesize(text, "en-us", voice).astype("float32") / 32768, SYNTHESIS_RATE, rate)
    soundfile.write(path, speech, rate)
    return len(speech) / rate


def librispeech(folder: Path) -> dict[str, Counts]:
    """Write the unpacked corpus, with two utterances per reader in every subset."""
    counts = {}
    for subset, readers in READERS.items():
        seconds = 0.0
        for reader in readers:
            chapter = folder / "LibriSpeech" / subset / reader / "123"
            for number, text in enumerate(SENTENCES):
                seconds += speak(chapter / f"{reader}-123-{number:04d}.flac", text, VOICES[reader], 16_000)
            lines = [f"{reader}-123-{n:04d} {text.upper().strip('.')}\n" for n, text in enumerate(SENTENCES)]
            (chapter / f"{reader}-123.trans.txt").write_text("".join(lines))
        counts[subset] = Counts(2 * len(readers), len(readers), seconds / 3600)
    (folder / "LibriSpeech" / "SPEAKERS.TXT").write_text(TABLE)
    return counts


def libritts(folder: Path) -> dict[str, Counts]:
    counts = {}
    for subset, readers in READERS.items():
        seconds = 0.0
        for reader in readers:
            for number, text in enumerate(SENTENCES):
                path = folder / "LibriTTS" / subset / reader / "123" / f"{reader}_123_{number:06d}_000000.wav"
                seconds += speak(path, text, VOICES[reader], 24_000)
                path.with_suffix(".normalized.txt").write_text(text)
                path.with_suffix(".original.txt").write_text(text)
        counts[subset] = Counts(2 * len(readers), len(readers), seconds / 3600)
    (folder / "LibriTTS" / "SPEAKERS.txt").write_text(TABLE + "999  | F | dev-clean | 8.1 | In LibriSpeech\n")
    (folder / "LibriTTS" / "speakers.tsv").write_text(TSV)
    return counts


def slurp(folder: Path) -> dict[str, Counts]:
    """Write one sentence per split, each spoken by two people, one of them into two microphones."""
    counts, metadata = {}, {}
    for number, split in enumerate(["train", "devel", "test", "train_synthetic"]):
        real = split != "train_synthetic"
        files = [f"audio-{number}1-headset.flac", f"audio-{number}1.flac", f"audio--{number}2.flac"]
        files = files if real else [f"audio-{number}9.flac"]
        for file in files:
            speak(folder / f"slurp_{'real' if real else 'synth'}" / file, "Will it rain?", "m2", 16_000)
        row = {"slurp_id": number, "sentence": "will it rain", "intent": "weather_query"}
        row |= {"scenario": "weather", "action": "query", "recordings": [{"file": file} for file in files]}
        (folder / f"{split}.jsonl").write_text(json.dumps(row) + "\n")
        users = {file: {"usrid": "FE-2" if "--" in file else "MO-1"} for file in files} if real else {}
        metadata[str(number)] = {"recordings": users}
        counts["dev" if split == "devel" else split] = Counts(len(files), sentences=1)
    (folder / "metadata.json").write_text(json.dumps(metadata))
    return counts


BUILDERS = {"librispeech": librispeech, "libritts": libritts, "slurp": slurp}


def published(dataset: str, folder: Path, url: str, counts: dict[str, Counts]) -> PublishedCorpus:
    """Pack a corpus into archives, and describe them like the table of the real ones."""
    corpus, archives = CORPORA[dataset], {}

    def served(source: Source) -> Source:
        path = folder / source.name
        kind = source.checksum.partition(":")[0] if source.checksum else None
        size = path.stat().st_size if source.size else None
        return replace(source, base=url, size=size, checksum=checksum(path, kind) if kind else None)

    for name, archive in corpus.archives.items():
        parts = {part: counts[part] for part in archive.parts if part in counts}
        if not parts:
            continue
        with tarfile.open(folder / archive.source.name, "w:gz") as tar:
            tar.add(folder / archive.inside, archive.inside)
            for beside in sorted((folder / archive.inside).parent.iterdir()):
                if beside.is_file() and corpus.own_folder:
                    tar.add(beside, f"{Path(archive.inside).parent}/{beside.name}")
        annotations = tuple(map(served, archive.annotations))
        archives[name] = replace(archive, source=served(archive.source), parts=parts, annotations=annotations)
    chosen = tuple(name for name in corpus.chosen if name in archives)
    return replace(corpus, archives=archives, chosen=chosen)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, dict[str, Counts]]]:
    """The three unpacked corpora."""
    folders = {dataset: tmp_path_factory.mktemp(dataset) for dataset in BUILDERS}
    return {dataset: (folder, BUILDERS[dataset](folder)) for dataset, folder in folders.items()}


@pytest.fixture
def serve(built: dict, file_server: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], PublishedCorpus]:
    def make(dataset: str) -> PublishedCorpus:
        folder, counts = built[dataset]
        shutil.copytree(folder, file_server.folder, dirs_exist_ok=True)
        corpus = published(dataset, file_server.folder, file_server.url, counts)
        monkeypatch.setitem(CORPORA, dataset, corpus)
        return corpus

    return make


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.data.download.download.PAUSE", 0.0)


def report(root: Path, dataset: str) -> dict[str, Any]:
    return json.loads((root / f"{dataset}-report.json").read_text())


def faults(root: Path, dataset: str) -> set[tuple[str, str, str]]:
    return {(f["part"], f["kind"], Path(f["where"]).name) for f in report(root, dataset)["faults"]}


@pytest.mark.parametrize("dataset", BUILDERS)
def test_each_corpus_is_prepared_over_a_bad_line(
    serve: Callable, file_server: Any, tmp_path: Path, capsys: pytest.CaptureFixture, dataset: str
) -> None:
    corpus, root = serve(dataset), tmp_path / "new" / "data"
    file_server.drops = [700, 2000]
    assert main([dataset, str(root)]) == 0
    said = capsys.readouterr().out
    assert "Nothing is missing or damaged." in said
    folder = root / corpus.title if corpus.own_folder else root
    assert f"{corpus.variable}={folder}\n" in said
    assert report(root, dataset)["complete"] and (root / "archives" / corpus.title).is_dir()
    assert any(asked for _, asked in file_server.asked)  # it went on in the middle

    requests = len(file_server.asked)
    for again in (root, folder):  # the folder that holds it, and its own
        assert main([dataset, str(again)]) == 0
    assert len(file_server.asked) == requests


def test_the_readers_read_what_was_prepared(serve: Callable, tmp_path: Path, store: ArtifactStore) -> None:
    for dataset in BUILDERS:
        serve(dataset)
        assert (
            main(
                [dataset, str(tmp_path), *(["--subsets", "slurp_real", "slurp_synth"] * (dataset == "slurp"))]
            )
            == 0
        )
    splits = {"dev": ["dev-clean"], "test": ["test-other"]}
    speech = LibriSpeech(name="a", root=str(tmp_path), splits=splits)
    tts = LibriTTS(name="b", root=str(tmp_path), splits=splits, test_utterances=None)
    for corpus in (speech, tts):
        manifest = corpus.manifest("dev", store)
        assert [(u.speaker_id, u.gender) for u in manifest] == [("174", "M")] * 2 + [("84", "F")] * 2
        assert all(u.duration > 0.3 and u.text for u in manifest)
    commands = Slurp(name="c", root=str(tmp_path), recordings="all", train_parts=["real", "synthetic"])
    assert [(u.utterance_id, u.speaker_id) for u in commands.manifest("train", store)] == [
        ("00000-audio--02", "FE-2"),
        ("00000-audio-01", "MO-1"),
        ("00000-audio-01-headset", "MO-1"),
        ("00003-synthetic-audio-39", "synthetic-audio-39"),
    ]


def test_only_what_is_named_and_not_there_is_fetched(
    serve: Callable, file_server: Any, built: dict, tmp_path: Path
) -> None:
    serve("librispeech")
    shutil.copytree(
        built["librispeech"][0] / "LibriSpeech" / "dev-clean", tmp_path / "LibriSpeech" / "dev-clean"
    )
    command = ["librispeech", str(tmp_path), "--delete-archives", "--subsets", "dev-clean", "test-other"]
    assert main(command) == 0
    assert [name for name, _ in file_server.asked] == ["test-other.tar.gz"]
    assert not list((tmp_path / "archives").rglob("*.tar.gz"))


def test_slurp_takes_the_synthetic_part_where_it_is_named(
    serve: Callable, file_server: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    serve("slurp")
    assert main(["slurp", str(tmp_path)]) == 0
    assert not any("synth" in name for name, _ in file_server.asked)
    assert main(["slurp", str(tmp_path), "--subsets", "slurp_synth"]) == 0
    assert "slurp_synth.tar.gz: no checksum is known" in caplog.text
    assert [part["part"] for part in report(tmp_path, "slurp")["parts"]] == ["train_synthetic"]


def test_archives_that_are_there_and_a_mirror(serve: Callable, file_server: Any, tmp_path: Path) -> None:
    corpus, kept = serve("librispeech"), tmp_path / "kept"
    kept.mkdir()
    shutil.copy(file_server.folder / "dev-clean.tar.gz", kept)
    (file_server.folder / "pub").mkdir()
    (file_server.folder / "test-other.tar.gz").rename(file_server.folder / "pub" / "test-other.tar.gz")
    command = ["librispeech", str(tmp_path), "--archives", str(kept), "--mirror", f"{file_server.url}pub"]
    assert main(command) == 0
    assert [name for name, _ in file_server.asked] == ["pub/test-other.tar.gz"]
    assert {path.name for path in kept.iterdir()} == {f"{name}.tar.gz" for name in corpus.archives}


def test_a_corrupt_archive_is_named_and_never_unpacked(
    serve: Callable, file_server: Any, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    serve("libritts")
    served = file_server.folder / "dev-clean.tar.gz"
    content = served.read_bytes()
    served.write_bytes(content[:-20] + bytes(20))
    assert main(["libritts", str(tmp_path)]) == 1
    assert "dev-clean.tar.gz" in (said := capsys.readouterr().err) and "deleted" in said
    assert not (tmp_path / "LibriTTS").exists() and not list((tmp_path / "archives").rglob("dev-clean*"))
    served.write_bytes(content)
    assert main(["libritts", str(tmp_path)]) == 0


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen]]:
    """Return a function that starts the command in another process, with the small corpora in its table."""
    processes = []

    def start(dataset: str, *arguments: str) -> subprocess.Popen:
        (tmp_path / "table.pickle").write_bytes(pickle.dumps(CORPORA[dataset]))
        program = (
            "import pickle, sys; from benchmark.data.download.published_corpora import CORPORA\n"
            "CORPORA[sys.argv[2]] = pickle.load(open(sys.argv[1], 'rb'))\n"
            "from benchmark.__main__ import door; sys.argv[1:] = ['data', *sys.argv[2:]]; sys.exit(door())"
        )
        command = [sys.executable, "-c", program, str(tmp_path / "table.pickle"), dataset, *arguments]
        pipe = subprocess.PIPE
        processes.append(subprocess.Popen(command, cwd=REPOSITORY, stdout=pipe, stderr=pipe, text=True))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_killed_in_a_download_it_goes_on_there(
    serve: Callable, file_server: Any, tmp_path: Path, run: Callable[..., subprocess.Popen]
) -> None:
    serve("librispeech")
    root = tmp_path / "data"
    part = root / "archives" / "LibriSpeech" / "dev-clean.tar.gz.part"
    file_server.stalls_at = 5000
    process = run("librispeech", str(root))
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size == 5000):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    second = run("librispeech", str(root))
    assert second.wait(60) == 1 and "another process prepares LibriSpeech" in second.stderr.read()
    process.send_signal(signal.SIGKILL)
    process.wait()
    file_server.stalls_at = None
    file_server.released.set()
    assert main(["librispeech", str(root)]) == 0
    assert file_server.asked[1] == ("dev-clean.tar.gz", "bytes=5000-")


def test_too_little_room_is_said_before_anything_is_fetched(
    serve: Callable, file_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = serve("librispeech")
    size = sum(archive.source.size for archive in corpus.archives.values())
    Usage = namedtuple("Usage", "free")
    free = preparations.RESERVE + int(size * 2.05) - 10
    monkeypatch.setattr(preparations.shutil, "disk_usage", lambda _: Usage(free))
    kept = preparations.Preparation(corpus, tmp_path / "data")
    with pytest.raises(UserError, match=r"GB free, about .* needed.*--delete-archives"):
        kept.run(corpus.chosen)
    assert not file_server.asked and not (tmp_path / "data").exists()
    replace(kept, delete_archives=True).run(corpus.chosen)  # one archive at a time
    assert len(file_server.asked) == 2


def test_mistakes_are_named(serve: Callable, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    serve("librispeech")
    assert main(["librispeech", str(tmp_path), "--subsets", "dev-claen"]) == 1
    assert "Did you mean 'dev-clean'" in capsys.readouterr().err
    assert main(["librispeech", str(tmp_path), "--verify"]) == 1
    assert "holds none of dev-clean, test-other; without --verify" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["librispeach", str(tmp_path)])


def test_a_corpus_that_is_not_there_names_the_next_step(built: dict, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"make data DATASET=librispeech ROOT=<root>"):
        LibriSpeech(name="a", root="", splits={"test": ["test-other"]}).identity("test")
    root = built["libritts"][0]
    with pytest.raises(
        UserError, match=rf"make data DATASET=libritts ROOT={root}/LibriTTS SUBSETS=test-clean"
    ):
        LibriTTS(name="b", root=str(root), splits={"test": ["test-clean"]}).identity("test")
    with pytest.raises(UserError, match=rf"make data DATASET=slurp ROOT={tmp_path} SUBSETS=slurp_real"):
        Slurp(name="c", root=str(tmp_path)).identity("test")


def test_the_report_of_a_damaged_librispeech(
    built: dict, serve: Callable, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    serve("librispeech")
    folder = tmp_path / "LibriSpeech"
    shutil.copytree(built["librispeech"][0] / "LibriSpeech", folder)
    assert main(["librispeech", str(tmp_path), "--verify"]) == 0
    chapter = folder / "dev-clean" / "84" / "123"
    flac = chapter / "84-123-0000.flac"
    flac.write_bytes(flac.read_bytes()[:-40])
    (chapter / "84-123-0001.flac").write_bytes(b"")
    (chapter / "84-123.trans.txt").write_text("84-123-0000 CALL ME\n84-123-0007 NOT THERE\n")
    shutil.rmtree(folder / "dev-clean" / "174")
    (folder / "test-other" / "367" / "123" / "367-123-0000.flac").write_bytes(b"no audio at all")
    dangling = folder / "test-other" / "367" / "123" / "367-123-0001.flac"
    dangling.unlink()
    dangling.symlink_to("nowhere.flac")
    assert main(["librispeech", str(tmp_path), "--verify"]) == 1
    assert faults(tmp_path, "librispeech") == {
        ("dev-clean", "truncated audio", "84-123-0000.flac"),
        ("dev-clean", "empty audio file", "84-123-0001.flac"),
        ("dev-clean", "no transcript", "84-123-0001.flac"),
        ("dev-clean", "missing audio", "84-123-0007"),
        ("dev-clean", "missing speaker", "174"),
        ("test-other", "damaged audio", "367-123-0000.flac"),
        ("test-other", "missing audio", "367-123-0001.flac"),
    }
    said = capsys.readouterr().out
    assert "dev-clean: truncated audio (1)" in said and "0 / 4 *" in said and "0 / 2 *" in said


def test_the_report_of_a_damaged_libritts(built: dict, serve: Callable, tmp_path: Path) -> None:
    serve("libritts")
    folder = tmp_path / "LibriTTS"
    shutil.copytree(built["libritts"][0] / "LibriTTS", folder)
    chapter = folder / "dev-clean" / "84" / "123"
    wav = chapter / "84_123_000000_000000.wav"
    wav.write_bytes(wav.read_bytes()[: wav.stat().st_size // 2])
    (chapter / "84_123_000001_000000.normalized.txt").unlink()
    (folder / "dev-clean" / "174" / "123" / "174_123_000000_000000.wav").unlink()
    shutil.rmtree(folder / "test-other")
    assert main(["libritts", str(tmp_path), "--verify", "--subsets", "dev-clean", "test-other"]) == 1
    assert faults(tmp_path, "libritts") == {
        ("dev-clean", "damaged audio", "84_123_000000_000000.wav"),
        ("dev-clean", "no transcript", "84_123_000001_000000.wav"),
        ("dev-clean", "missing audio", "174_123_000000_000000"),
        ("test-other", "not there", "LibriTTS"),
    }
    assert main(["libritts", str(tmp_path), "--subsets", "test-other"]) == 0  # puts back what is not there


def test_a_speaker_is_missed_by_the_table_of_this_corpus(
    built: dict, serve: Callable, tmp_path: Path
) -> None:
    serve("libritts")
    shutil.copytree(built["libritts"][0] / "LibriTTS", tmp_path / "LibriTTS")
    shutil.rmtree(tmp_path / "LibriTTS" / "dev-clean" / "174")
    assert main(["libritts", str(tmp_path), "--verify"]) == 1
    assert faults(tmp_path, "libritts") == {("dev-clean", "missing speaker", "174")}  # and not 999


def test_the_report_of_a_damaged_slurp(serve: Callable, tmp_path: Path) -> None:
    serve("slurp")
    assert main(["slurp", str(tmp_path)]) == 0
    audio = tmp_path / "audio" / "slurp_real"
    (audio / "audio-01-headset.flac").unlink()
    flac = audio / "audio--12.flac"
    flac.write_bytes(flac.read_bytes()[:-1])
    (tmp_path / "dataset" / "slurp" / "metadata.json").unlink()
    sentences = tmp_path / "dataset" / "slurp" / "test.jsonl"
    sentences.write_text(sentences.read_text().replace("rain", "snow"))
    assert main(["slurp", str(tmp_path), "--verify", "--report", str(tmp_path / "own.json")]) == 1
    found = json.loads((tmp_path / "own.json").read_text())["faults"]
    assert {(f["part"], f["kind"], Path(f["where"]).name) for f in found} == {
        ("train", "missing audio", "audio-01-headset.flac"),
        ("dev", "truncated audio", "audio--12.flac"),
        ("annotations", "missing", "metadata.json"),
        ("annotations", "not the published file", "test.jsonl"),
    }


def test_the_table_of_what_is_published_is_whole() -> None:
    """A typing error in the table could cost a user a download of 30 GB."""
    totals = {"librispeech": (61_357_943_031, 292_367), "libritts": (84_204_238_754, 375_086)}
    for dataset, (size, utterances) in totals.items():
        archives = CORPORA[dataset].archives.values()
        assert sum(archive.source.size for archive in archives) == size
        assert sum(count.utterances for archive in archives for count in archive.parts.values()) == utterances
    hours = [
        count.hours for archive in CORPORA["libritts"].archives.values() for count in archive.parts.values()
    ]
    assert sum(hours) == pytest.approx(585.80)  # Zen et al., Table 1
    sums = {a.source.checksum for corpus in CORPORA.values() for a in corpus.archives.values()}
    assert len(sums) == 16 and None in sums  # that of slurp_synth is not known
    assert {len(checksum.partition(":")[2]) for checksum in sums if checksum} == {
        len(hashlib.md5().hexdigest())
    }


def test_a_copy_that_may_only_be_read(
    built: dict, serve: Callable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def refuse(path: Path, _: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    serve("librispeech")
    monkeypatch.setattr("benchmark.jobs.commands.data.write_atomic", refuse)
    assert main(["librispeech", str(built["librispeech"][0])]) == 0
    assert "--report names another file" in capsys.readouterr().err
    assert {path.name for path in built["librispeech"][0].iterdir()} == {"LibriSpeech"}  # no lock either
