"""Tests of two concurrent sweeps over one store: each artifact is made once, and both write the same rows."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from benchmark.results.store import ResultsStore

ROOT = Path(__file__).resolve().parents[2]
SMALL = [
    "task=codebook_usage,reconstruction",
    "tokenizer=mel_rvq,mfcc_kmeans",
    "tokenizer.codebook_size=16",
    "dataset.train_utterances=36",
    "dataset.dev_utterances=12",
    "dataset.test_utterances=12",
    "vocoder.steps=4",
    "vocoder.steps_per_epoch=2",
    "limit=6",
    "metric=[stoi,gpe]",
    "preflight=off",
    "trainer.progress_bar=false",
    "trainer.accelerator=cpu",
]


@pytest.mark.timeout(600)
def test_each_artifact_is_made_once(tmp_path: Path) -> None:
    sweeps = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmark", "-m", *SMALL, f"hydra.sweep.dir={tmp_path}/sweep{number}"],
            cwd=ROOT,
            env=os.environ
            | {
                "CACHE": f"{tmp_path}/cache",
                "RESULTS": f"{tmp_path}/results{number}",
                "OMP_NUM_THREADS": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in (0, 1)
    ]
    logs = [sweep.communicate(timeout=500) for sweep in sweeps]
    assert [sweep.returncode for sweep in sweeps] == [0, 0], logs[0][1][-2000:] + logs[1][1][-2000:]
    made = Counter(found for out, _ in logs for found in re.findall(r"built (\w+/\w+) in", out))
    assert set(made.values()) == {1}, made
    kinds = Counter(name.partition("/")[0] for name in made)
    assert {kind: kinds[kind] for kind in ("codebooks", "vocoders", "resynthesis")} == {
        "codebooks": 2, "vocoders": 2, "resynthesis": 2,
    }  # fmt: skip
    there = {f"{path.parent.parent.name}/{path.parent.name}" for path in tmp_path.glob("cache/*/*/seal.json")}
    assert there == set(made)
    rows = [ResultsStore(tmp_path / f"results{number}" / "mini").rows() for number in (0, 1)]
    numbers = [[(r.task, r.tokenizer, r.metric, r.value, r.lo, r.n_scored) for r in own] for own in rows]
    assert numbers[0] == numbers[1] and len({row[:2] for row in numbers[0]}) == 4
