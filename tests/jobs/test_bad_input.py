"""Tests that damaged files, hostile names, bad disks and concurrent runs give clear errors and lose nothing.

All tests run the code of `python -m benchmark`, with a user's own list of recordings.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hydra import compose, initialize_config_dir

from benchmark.errors import UserError
from benchmark.jobs.build import make_job
from benchmark.jobs.job import Job
from benchmark.results.row import Row
from benchmark.storage.weights import DIGESTS

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["dataset=custom", "tokenizer=mfcc_kmeans", "tokenizer.codebook_size=8", "task=codebook_usage"]
RNG = np.random.default_rng(0)

Rows = list[dict[str, str]]


def noise(seconds: float = 0.5, rate: int = 16_000) -> np.ndarray:
    return 0.1 * RNG.standard_normal(round(seconds * rate))


def good(folder: Path, number: int, split: str) -> dict[str, str]:
    name = f"{split}{number}.wav"
    soundfile.write(str(folder / name), noise(0.4 + 0.05 * number), 16_000)
    return {"audio_path": name, "speaker_id": f"{split}{number % 2}", "split": split}


@pytest.fixture
def recordings(tmp_path: Path) -> Rows:
    """Write four good recordings for each of two splits."""
    folder = tmp_path / "speech"
    folder.mkdir()
    return [good(folder, number, split) for split in ("train", "test") for number in range(4)]


def written(folder: Path, rows: Rows) -> Path:
    path = folder / "my.csv"
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, names)
        table.writeheader()
        table.writerows(rows)
    return path


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Job]]:
    monkeypatch.setattr(DIGESTS, "folder", None)

    def make(rows: Rows, *overrides: str, cache: Path = tmp_path / "cache") -> Job:
        path = written(tmp_path / "speech", rows)
        places = [f"manifest={path}", f"paths.cache={cache}", f"paths.results={tmp_path / 'results'}"]
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            return make_job(compose("config", overrides=[*SMALL, *places, *overrides]))

    yield make


def usage(job: Job) -> Row:
    return next(row for row in job.results.rows() if row.metric == "used")


def test_damaged_recordings_are_counted_with_their_reason_and_the_rest_is_done(
    recordings: Rows, job: Callable[..., Job], tmp_path: Path
) -> None:
    folder = tmp_path / "speech"

    def add(name: str, split: str = "test") -> Path:
        recordings.append({"audio_path": name, "speaker_id": "x", "split": split})
        return folder / name

    job(recordings).run()
    clean = usage(job(recordings))
    for split in ("train", "test"):
        add(f"{split}_empty.wav", split).write_bytes(b"")
        add(f"{split}_text.wav", split).write_text("not audio")
        for suffix in ("wav", "flac", "ogg"):
            path = add(f"{split}_cut_{suffix}.{suffix}", split)
            soundfile.write(str(path), noise(), 16_000)
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        broken = noise()
        broken[100] = np.nan
        soundfile.write(str(add(f"{split}_nan.wav", split)), broken, 16_000, subtype="FLOAT")
        soundfile.write(str(add(f"{split}_short.wav", split)), noise(0.05), 16_000)
        add(f"{split}_gone.wav", split)
        add(f"{split}_folder.wav", split).mkdir()
    damaged = replace(job(recordings), max_failed_share=0.7)
    damaged.run()
    row = usage(damaged)
    assert (row.status, row.n_scored, row.n_failed) == ("ok", 4, 9)
    assert row.value == clean.value  # damaged recordings are neither in the codebook nor in the counts
    for words in ("test_cut_flac.flac", "is cut off"):
        assert words in row.reason or words in json.dumps(row.notes), (words, row)
    # Valid recordings that look odd.
    wav, odd = noise(), add("odd.flac")
    soundfile.write(str(folder / "odd.wav"), wav, 16_000)
    (folder / "odd.wav").rename(odd)
    soundfile.write(str(add("loud.wav")), np.stack([noise(0.5, 96_000)] * 8, axis=1), 96_000)
    more = replace(job(recordings), max_failed_share=0.7)
    more.run()
    assert (usage(more).n_scored, usage(more).n_failed) == (6, 9)


def test_a_split_that_is_damaged_as_a_whole_has_failed_and_says_why(
    recordings: Rows, job: Callable[..., Job], tmp_path: Path
) -> None:
    for row in recordings:
        if row["split"] == "test":
            soundfile.write(str(tmp_path / "speech" / row["audio_path"]), noise() * np.nan, 16_000, "FLOAT")
    job(recordings).run()
    row = usage(job(recordings))
    assert (row.status, row.value, row.n_scored, row.n_failed) == ("failed", None, 0, 4)
    assert row.reason.startswith("no utterance could be scored; ") and "holds NaN" in row.reason


HOSTILE = [
    "../../x",
    "a b",
    "a_b",
    'say "no", it\'s',
    "/etc/passwd",
    "日本語",
    unicodedata.normalize("NFD", "é"),
    "CON",
    "x" * 3000,
    "-rf",
    ".hidden",
    "%s{}$HOME",
]


def test_hostile_ids_come_back_whole_and_stay_in_their_folders(
    recordings: Rows, job: Callable[..., Job], tmp_path: Path
) -> None:
    for number, name in enumerate(HOSTILE):
        row = good(tmp_path / "speech", 10 + number, "test")
        recordings.append({**row, "utterance_id": name, "speaker_id": name[:50]})
    hostile = job(recordings)
    before = set((tmp_path / "speech").rglob("*"))
    hostile.run()
    test = hostile.corpus.manifest("test", hostile.context.store)
    assert {u.utterance_id for u in test} >= {unicodedata.normalize("NFC", name) for name in HOSTILE}
    assert (usage(hostile).n_scored, usage(hostile).n_failed) == (16, 0)
    assert set((tmp_path / "speech").rglob("*")) == before
    assert {path.name for path in tmp_path.iterdir()} == {"speech", "cache", "results"}


@pytest.mark.parametrize("what", ["overwritten", "gone"])
def test_a_kept_manifest_that_cannot_be_used_is_made_again(
    recordings: Rows, job: Callable[..., Job], tmp_path: Path, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    job(recordings).run()
    first = usage(job(recordings))
    for folder in (tmp_path / "cache/manifests").glob("*/"):
        for path in folder.glob("manifest*"):
            path.unlink() if what == "gone" else path.write_bytes(b"of another version")
    again = job(recordings, "policy=always")
    again.run()
    assert usage(again).value == first.value and usage(again).key == first.key
    assert "is damaged and is built again" in caplog.text


@pytest.fixture
def mount() -> Iterator[Callable[..., None]]:
    """Yield a function that mounts a folder, and skips the test if mounting is not allowed."""
    mounted: list[Path] = []

    def run(folder: Path, *arguments: str) -> None:
        folder.mkdir(exist_ok=True)
        command = ["mount", *arguments, str(folder)]
        if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("this machine does not let the tests mount a folder")
        if not any("remount" in word for word in arguments):
            mounted.append(folder)

    yield run
    for folder in reversed(mounted):
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize(("place", "variable"), [("cache", "CACHE"), ("results", "RESULTS")])
def test_a_full_disk_is_told_and_the_run_goes_on_where_it_was(
    recordings: Rows,
    job: Callable[..., Job],
    tmp_path: Path,
    mount: Callable[..., None],
    place: str,
    variable: str,
) -> None:
    job(recordings, cache=tmp_path / "other").run()
    clean = usage(job(recordings))
    shutil.rmtree(tmp_path / "results")
    mount(tmp_path / place, "-t", "tmpfs", "-o", "size=8k", "tmpfs")
    told = 0
    for pages in range(3, 200):
        try:
            job(recordings).run()
            break
        except UserError as error:
            told += 1
            assert "full" in str(error) and f"{variable}=<folder>" in str(error), error
            assert str(tmp_path / place) in str(error)
        mount(tmp_path / place, "-o", f"remount,size={4 * pages}k")
    assert told > 2
    after = usage(job(recordings))
    assert (after.status, after.value, after.key) == ("ok", clean.value, clean.key)


def test_a_full_disk_costs_no_results_that_exist(
    recordings: Rows, job: Callable[..., Job], tmp_path: Path, mount: Callable[..., None]
) -> None:
    job(recordings).run()
    first = usage(job(recordings))
    shutil.rmtree(tmp_path / "cache")
    mount(tmp_path / "cache", "-t", "tmpfs", "-o", "size=8k", "tmpfs")
    with pytest.raises(UserError, match="full"):
        job(recordings, "policy=always").run()
    assert usage(job(recordings)) == first


def test_a_closed_cache_is_read_and_where_it_lacks_something_that_is_told(
    recordings: Rows, job: Callable[..., Job], tmp_path: Path, mount: Callable[..., None]
) -> None:
    job(recordings).run()
    first = usage(job(recordings))
    cache = tmp_path / "cache"
    mount(cache, "--bind", str(cache))
    mount(cache, "-o", "remount,ro,bind")
    job(recordings, "policy=always").run()
    assert usage(job(recordings)).value == first.value
    with pytest.raises(UserError, match=rf"read-only.*{cache}.*CACHE=<folder>"):
        job(recordings, "tokenizer.codebook_size=4").run()


def test_two_sweeps_on_one_cache_build_everything_once(recordings: Rows, tmp_path: Path) -> None:
    path = written(tmp_path / "speech", recordings)
    command = [sys.executable, "-m", "benchmark", "-m", *SMALL, f"manifest={path}", "seed=0,1"]
    command += [f"hydra.sweep.dir={tmp_path}/sweep", "policy=always"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    environment |= {"CACHE": str(tmp_path / "cache"), "RESULTS": str(tmp_path / "results")}
    sweeps = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(2)
    ]
    said = [sweep.communicate(timeout=280)[0].decode() for sweep in sweeps]
    assert [sweep.returncode for sweep in sweeps] == [0, 0], said
    built = [line for text in said for line in text.splitlines() if "fitting the codebook" in line]
    encoded = [line for text in said for line in text.splitlines() if "× real time" in line]
    assert len(built) == 2 and len(encoded) == 2, said  # one for each seed, whichever process was first
    rows = [path.name for path in (tmp_path / "results/mini/rows").iterdir()]
    assert sorted(rows) == [f"codebook_usage__mfcc_kmeans__my__seed{seed}.jsonl" for seed in (0, 1)]
    assert (tmp_path / "results/mini/tables/codebook_usage.md").is_file()
