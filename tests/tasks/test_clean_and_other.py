"""Tests of LibriSpeech's two test sets: they share one probe, and have a line each in one table."""

from pathlib import Path

import numpy as np
import pytest

from benchmark.data.audio import write_audio
from benchmark.jobs.build import build
from benchmark.jobs.compose import compose, open_hydra
from benchmark.jobs.job import Job
from benchmark.results.report.grid import make_grid
from benchmark.results.report.tables import make_table
from benchmark.results.store import ResultsStore
from benchmark.storage.artifacts import ArtifactStore
from benchmark.tasks.base import RunContext
from benchmark.training.trainer import TrainerConfig

SUBSETS = {"train-clean-100": (1, 2, 3), "test-clean": (7,), "test-other": (8,)}
SMALL = ["task=asr_probe", "tokenizer=mfcc_kmeans", "tokenizer.codebook_size=4", "dataset.holdout_speakers=1"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Write the published layout, with two noises of half a second for each speaker."""
    for subset, speakers in SUBSETS.items():
        for speaker in speakers:
            folder = tmp_path / "LibriSpeech" / subset / str(speaker) / "1"
            folder.mkdir(parents=True)
            rng = np.random.default_rng(speaker)
            for number in range(2):
                wav = 0.1 * rng.standard_normal(8000 + 800 * number).astype(np.float32)
                write_audio(folder / f"{speaker}-1-{number:04d}.flac", wav)
            lines = [f"{speaker}-1-{number:04d} TWO WORDS" for number in range(2)]
            (folder / f"{speaker}-1.trans.txt").write_text("\n".join(lines) + "\n")
    return tmp_path / "LibriSpeech"


def test_each_test_set_has_a_line_and_both_share_the_probe(root: Path, tmp_path: Path) -> None:
    results, cache = ResultsStore(tmp_path / "results"), tmp_path / "cache"
    trainer = TrainerConfig(accelerator="cpu", progress_bar=False, max_steps=2)
    datasets = ("librispeech", "librispeech_clean")
    for dataset in datasets:
        with open_hydra() as hydra:
            cfg = compose(hydra, [*SMALL, f"dataset={dataset}", f"dataset.root={root}"])
        tokenizer, corpus, task = (build(node) for node in (cfg.tokenizer, cfg.dataset, cfg.task))
        context = RunContext(store=ArtifactStore(cache), trainer=trainer)
        Job(
            profile="test",
            tokenizer=tokenizer,
            corpus=corpus,
            task=task,
            context=context,
            results=results,
            config={},
        ).run()
    assert len(list((cache / "probes").glob("*/seal.json"))) == 1
    assert len(list((cache / "tokens").glob("*/seal.json"))) == 4  # train, dev and the two test sets
    rows = [row for dataset in datasets for row in results.job("asr_probe", "mfcc_kmeans", dataset, 0)]
    table = make_table("probing", rows)
    assert table is not None
    grid = make_grid(table)
    place = grid.header.index("corpus")
    lines = {line[place].value for line in grid.body}
    assert lines == {"librispeech/test-other", "librispeech_clean/test-clean"}
    assert len(grid.body) == 2
