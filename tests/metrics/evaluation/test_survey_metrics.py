"""The real metrics in a whole evaluation, on real speech coded by Opus."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.data.audio import header, read_audio, write_audio
from benchmark.data.manifest import Manifest
from benchmark.jobs.build import build
from benchmark.jobs.compose import compose, open_hydra
from benchmark.metrics.base import Metric
from benchmark.metrics.evaluation.evaluate import Evaluation, Speech
from benchmark.storage.artifacts import ArtifactStore
from benchmark.types import Utterance


@pytest.fixture(scope="module")
def metrics() -> dict[str, Metric]:
    """Return the survey's metrics without a model, and VERSA's pitch metrics."""
    with open_hydra() as hydra:
        cfg = compose(hydra, ["metric=[survey,versa/f0_corr,dwer]"])
    return {name: build(cfg.metric[name]) for name in cfg.metric if name not in ("secs", "secs_source")}


@pytest.fixture
def speech(shared: Path, tmp_path: Path) -> Speech:
    """Return three seconds each of five speakers, delayed and noisy; one is silent, one was not decoded."""
    root = shared / "data" / "LibriSpeech" / "test-other"
    originals, decoded, failures = [], {}, {}
    rng = np.random.default_rng(0)
    for number, path in enumerate(sorted(root.glob("*/*/*-0003.flac"))[:5]):
        name = path.stem
        wav = read_audio(path)[:48_000]
        original = tmp_path / f"{name}.flac"
        write_audio(original, wav)
        originals.append(
            Utterance(name, str(original), name.split("-")[0], *header(original), text="so it was said")
        )
        if number == 4:
            failures[name] = "no codes"
            continue
        late = np.pad(wav + 0.01 * rng.standard_normal(len(wav)).astype(np.float32), (40 * number, 0))
        decoded[name] = tmp_path / f"{name}.decoded.flac"
        write_audio(decoded[name], late[: len(wav)] * (number != 3))
    return Speech(originals=Manifest(originals), decoded=decoded, failures=failures, source="x")


def test_one_and_four_workers_give_the_same_table_twice(
    speech: Speech, metrics: dict[str, Metric], tmp_path: Path
) -> None:
    frames = [
        Evaluation(ArtifactStore(tmp_path / f"store{place}"), processes=processes)(speech, metrics)
        for place, processes in enumerate((1, 1, 4))
    ]
    pd.testing.assert_frame_equal(frames[0], frames[1], check_exact=True)
    pd.testing.assert_frame_equal(frames[0], frames[2], check_exact=True)
    frame = frames[0]
    assert frame["delay"].tolist()[:3] == [0, 40, 80]
    for name in ("vde", "ffe", "gpe_frames"):
        assert np.isfinite(frame[name][:4]).all() and np.isnan(frame[name][4]), name  # silence counts
    assert frame["ffe"][3] == frame["vde"][3] > 20 and frame["gpe_frames"][3] == 0
    assert (frame["gpe:weight"][:3] > 10).all()
    for name in ("pesq", "stoi", "gpe", "mel_distance", "p_corr", "versa_f0_corr"):
        assert np.isfinite(frame[name][:3]).all(), name
        assert frame[name][3:].isna().all(), name  # silence, and nothing at all
    assert (frame["pesq"][:3] > 1.05).all() and (frame["stoi"][:3] > 0.8).all()
    assert frame["wer:weight"][:4].tolist() == [4, 4, 4, 4] and np.isnan(frame["wer"][4])
    assert "silence" in frame["failure"][3] and frame["failure"][4] == "no codes"
    assert frame["failure"][:3].isna().all() and frame["abstained"].isna().all()
