"""The mini recipe memorises one sentence: the whole training path, checked on the synthesized sound."""

from pathlib import Path

import numpy as np
import torch
from hydra import compose, initialize_config_dir

from benchmark.data.audio import header, resample, write_audio
from benchmark.data.manifest import Manifest
from benchmark.data.mel import LogMel
from benchmark.data.synthesis.espeak import SYNTHESIS_RATE, synthesize
from benchmark.jobs.build import build
from benchmark.models.vocoder.train import train_vocoder
from benchmark.storage.token_store import TokenStore, TokenWriter
from benchmark.training.callbacks import read_history
from benchmark.training.report import read_report
from benchmark.training.trainer import TrainerConfig
from benchmark.types import SAMPLE_RATE, TokenizerSpec, Utterance

CONF = Path(__file__).resolve().parents[3] / "conf"
HOP, ENTRIES = 320, 48


def test_one_sentence_is_learned_by_heart_in_300_steps(tmp_path: Path) -> None:
    samples = synthesize("please turn off the lights in the kitchen", "en-us", "m4", rate=150)
    wav = resample(samples.astype(np.float32) / 32768, SYNTHESIS_RATE, SAMPLE_RATE)
    path = tmp_path / "sentence.flac"
    write_audio(path, wav)
    manifest = Manifest([Utterance("sentence", str(path), "m4", *header(path))])
    # Codes that tell the frames of this sentence apart: the nearest of ENTRIES evenly spaced frames.
    frames = LogMel(1024, HOP, 800, 80, center=False)(torch.from_numpy(wav)[None])[0].T
    vectors = frames[torch.linspace(0, len(frames) - 1, ENTRIES).long()]
    writer = TokenWriter(tmp_path, 1, ENTRIES)
    writer.add("sentence", torch.cdist(frames, vectors).argmin(dim=1)[None].numpy())
    writer.close()
    tokens = TokenStore(tmp_path)
    spec = TokenizerSpec("toy", "acoustic", SAMPLE_RATE, 50.0, (ENTRIES,), False, False, True)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = build(compose("vocoder/ctx_vec2wav_mini").vocoder).with_max_steps(300)
    folder = tmp_path / "vocoder"
    folder.mkdir()
    trainer = TrainerConfig(accelerator="cpu", progress_bar=False)
    data = tokens, manifest, tokens, manifest
    train_vocoder(spec, vectors[None], *data, config, trainer, 0, folder)
    report, history = read_report(folder), read_history(folder)
    assert report["steps"] == 300 and config.label == "ctx_vec2wav_mini, 300 steps"
    # Natural-log mels: 1.26 for a constant spectrum, 0.43 after 100 steps, 0.23 at the end when written.
    assert report["status"] == "ok" and report["floor_mel"] > 1.1
    assert report["val_mel"] < 0.3 < history[0]["val/mel"]
