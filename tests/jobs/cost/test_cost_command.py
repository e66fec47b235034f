"""Tests of the text that `plan` prints without corpora, weights or a network."""

import shutil
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.errors import UserError
from benchmark.jobs.build import make_job
from benchmark.jobs.compose import compose, compose_jobs, open_hydra
from benchmark.jobs.cost import measure as measuring
from benchmark.jobs.cost.dry_jobs import sweeps
from benchmark.jobs.cost.rates import load_rates
from benchmark.jobs.cost.sweep import Sweep
from tests.door import door

main = partial(door, "plan")

Run = Callable[..., tuple[int, str]]
TINY = [
    "tokenizer=mel_rvq",
    "tokenizer.codebook_size=16",
    "task=codebook_usage",
    "dataset.train_utterances=12",
    "dataset.dev_utterances=3",
    "dataset.test_utterances=12",
]


@pytest.fixture
def run(folders: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Return a function that runs `plan` without access to a network."""

    def refuse(*_: Any) -> None:
        raise AssertionError("a plan asks nobody")

    def command(*arguments: str) -> tuple[int, str]:
        with monkeypatch.context() as patch:
            patch.setattr(socket.socket, "connect", refuse)
            patch.setattr(socket, "getaddrinfo", refuse)
            status = main(list(arguments))
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return command


def line_of(text: str, start: str) -> list[str]:
    (line,) = [line for line in text.splitlines() if line.startswith(f"{start} ")]
    return line.split()


def test_the_paper_is_planned_without_corpora_weights_or_network(run: Run, folders: Path) -> None:
    paper = ("profile=paper", "dataset=libritts", "task=reconstruction,codebook_usage")
    status, text = run("-m", "tokenizer=hubert_large_l24,mimi", *paper, "--workers", "4")
    assert status == 0, text
    assert "libritts  train     354,780  555.1  as published" in text
    assert line_of(text, "hubert_large_l24")[1:4] == ["0", "of", "2"]
    assert line_of(text, "mimi")[-1] != "–"
    # 50 frames of 1024 half floats for every second of the training and dev subsets.
    assert float(line_of(text, "prompt features")[-1]) == pytest.approx(208, abs=0.5)
    assert "one NVIDIA V100" in text and "CPU thread: " not in text
    assert "With 4 devices of that kind" in text
    assert "(jik876/hifi-gan, issue 7)" in " ".join(text.split())  # every rate has its source
    assert not (folders / "results").exists() and not any((folders / "cache").rglob("*"))


def test_experiments_of_a_profile_are_planned_together() -> None:
    both = [["experiment=a", "seed=1"], ["experiment=b", "seed=1"]]
    assert list(sweeps(["experiment=a,b", "seed=1"])) == both
    assert list(sweeps(["experiment=a"])) == [["experiment=a"]]
    assert list(sweeps(["seed=1"])) == [["seed=1"]]


def test_the_paper_names_tokenizers_that_exist() -> None:
    with open_hydra() as hydra:
        options = hydra.config_loader.get_group_options
        known = set(options("tokenizer"))
        for name in ("paper_speech", "paper_asr", "paper_intent"):
            cfg = compose(hydra, [f"experiment={name}"])
            listed = [word.strip() for word in cfg.hydra.sweeper.params.tokenizer.split(",")]
            assert len(listed) > 20 and not set(listed) - known, name
            assert {"mel_bigvgan", "stable_codec", "wav2vec2_vq"} <= set(listed)  # rows of the survey
            assert (cfg.device, cfg.trainer.accelerator, cfg.vocoder.steps) == ("cuda", "gpu", 1_000_000)
            assert cfg.whisper_checkpoint == "openai/whisper-large-v3"


def test_what_is_there_is_not_to_do(run: Run, folders: Path, plan: Callable[..., Sweep]) -> None:
    assert line_of(run(*TINY)[1], "mel_rvq")[1:4] == ["0", "of", "1"]
    with open_hydra() as hydra:
        (cfg,) = compose_jobs(hydra, TINY, multirun=False)
    make_job(cfg).run()
    status, text = run(*TINY)
    assert status == 0
    assert "its manifest" in text
    assert line_of(text, "mel_rvq")[1:4] == ["1", "of", "1"] and line_of(text, "mel_rvq")[-1] == "–"
    shutil.rmtree(folders / "results")
    left = plan(*TINY).to_do
    assert [piece.stage for piece in left] == ["evaluation"]  # codebook and tokens are still in the cache
    shutil.rmtree(folders / "cache" / "tokens")
    assert [piece.stage for piece in plan(*TINY).to_do] == ["tokens", "evaluation"]


def test_a_disk_too_small_is_said(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    overrides = ("tokenizer=mimi", "task=asr_probe", "dataset=librispeech_960")
    assert "WARNING" not in run(*overrides)[1]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 10**8))
    text = run(*overrides)[1]
    assert "has 0.1 GB free" in text and "GB too little" in text and "paths.cache" in text


def test_an_unknown_corpus_is_not_counted_in_silence(run: Run, folders: Path) -> None:
    text = run("tokenizer=mimi", "task=codebook_usage", "dataset=librispeech", "dataset.splits.test=[mine]")[
        1
    ]
    assert "Not counted below" in text and "librispeech test" in text


def test_mistakes_are_named(run: Run, folders: Path) -> None:
    assert run("tokenizer=mimi", "--workers", "0") == (1, "error: --workers 0 must be at least 1\n")
    status, text = run("tokenizer=no_such")
    assert status == 1 and "no_such" in text
    own = folders / "own.yaml"
    for content, word in (
        ("cpu: {encode: {mimi: -1}}", "cpu.encode.mimi=-1"),
        ("cpu: {encode: 3}", "must hold entries by name"),
        ("cpu: {speed: 3}", "speed"),
        ("tpu: {}", "tpu"),
        ("[1, 2]", "holds no rates"),
        ("a: b: c", "cannot be read"),
    ):
        own.write_text(content)
        with pytest.raises(UserError, match=word.replace("[", "\\[")):
            load_rates(own, folders)
    assert run("--rates", str(folders / "none.yaml"))[0] == 1


def test_rates_of_ones_own_and_measured_ones_come_first(
    run: Run, folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = folders / "own.yaml"
    own.write_text("cpu: {device: my laptop, encode: {mel_rvq: [7, my stopwatch]}}")
    text = run(*TINY, "--rates", str(own))[1]
    assert "Rates for my laptop" in text and "- my stopwatch: encode mel_rvq 7" in text
    monkeypatch.setattr(measuring, "LEAST", 0.05)
    monkeypatch.setattr(measuring, "SECONDS", 1)
    status, text = run(*TINY, "--rates", str(own), "--measure")
    assert status == 0 and "mel_rvq: " in text and "× real time" in text
    again = run(*TINY, "--rates", str(own))[1]
    assert "measured here" in again and "my stopwatch" not in again
    measured = load_rates(None, folders / "cache")["cpu"].measured["mel_rvq"][0]
    assert np.isfinite(measured) and measured > 10


def test_measuring_says_what_is_not_here(run: Run) -> None:
    status, text = run("tokenizer=mimi", "task=codebook_usage", "--measure")
    assert status == 0 and "mimi: not here: weights kyutai/mimi" in text
