"""Training and synthesis at every token rate, with several codebooks, with and without codebook vectors."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.data.audio import read_audio
from benchmark.models.vocoder.config import HiFiGANConfig, VocoderConfig
from benchmark.models.vocoder.synthesize import Vocoder
from benchmark.models.vocoder.train import train_vocoder
from benchmark.storage.token_store import TokenStore, TokenWriter
from benchmark.training.callbacks import read_history
from benchmark.training.report import read_report
from benchmark.training.trainer import TrainerConfig

CPU = TrainerConfig(accelerator="cpu", progress_bar=False)
BOOKS, ENTRIES = 3, 11


@pytest.mark.parametrize("with_vectors", [True, False])
@pytest.mark.parametrize("frame_rate", [12.5, 25, 50, 75, 80, 100])
def test_one_step_and_one_sentence(
    corpus,
    make_config: Callable[..., VocoderConfig],
    small_hifigan: HiFiGANConfig,
    tmp_path: Path,
    frame_rate: float,
    with_vectors: bool,
) -> None:
    rng = np.random.default_rng(0)
    writer = TokenWriter(tmp_path, BOOKS, ENTRIES)
    for utterance in corpus.manifest:
        frames = round(utterance.duration * frame_rate) - 1  # as front ends that pad nothing
        writer.add(utterance.utterance_id, rng.integers(ENTRIES, size=(BOOKS, frames)))
    writer.close()
    tokens = TokenStore(tmp_path)
    spec = replace(corpus.spec, frame_rate=frame_rate, codebook_sizes=(ENTRIES,) * BOOKS, frame_offset=40)
    vectors = torch.randn(BOOKS, ENTRIES, 7) if with_vectors else None
    config = make_config(generator=small_hifigan, steps=1, steps_per_epoch=1, min_seconds=0.7)
    folder = tmp_path / "vocoder"
    folder.mkdir()
    train_vocoder(spec, vectors, tokens, corpus.manifest, tokens, corpus.manifest, config, CPU, 0, folder)
    assert read_report(folder)["steps"] == len(read_history(folder)) == 1
    vocoder = Vocoder.load(folder, spec, vectors, config)
    assert vocoder.model.frontend.tokens.dim == BOOKS * (7 if with_vectors else config.frontend.table_dim)
    names = ["u0", "u4"]
    prompts = [read_audio(corpus.manifest[name].audio_path) for name in names]
    samples = [len(wav) for wav in prompts]
    wavs = vocoder.synthesize([tokens[name] for name in names], prompts, samples)
    for wav, count, name in zip(wavs, samples, names, strict=True):
        assert len(wav) == count and not wav[:40].any()
        spoken = 40 + vocoder.rates.frames(tokens.frames(name)) * vocoder.rates.hop_length
        assert wav[41:spoken].any() and not wav[spoken:].any()


def test_the_head_offset_moves_the_sound_by_itself(
    corpus, make_config: Callable[..., VocoderConfig], tmp_path: Path
) -> None:
    data = corpus.tokens, corpus.manifest, corpus.tokens, corpus.manifest
    config = make_config(steps=2)
    train_vocoder(corpus.spec, corpus.vectors, *data, config, CPU, 0, tmp_path)
    prompt = read_audio(corpus.manifest["u1"].audio_path)
    plain, late, early = (
        Vocoder.load(tmp_path, replace(corpus.spec, frame_offset=offset), corpus.vectors, config).synthesize(
            [corpus.tokens["u0"]], [prompt], [14_400]
        )[0]
        for offset in (0, 152, -8)
    )
    np.testing.assert_array_equal(late[152:], plain[:-152])
    np.testing.assert_array_equal(early[:-8], plain[8:])
    assert not late[:152].any() and not early[-8:].any()
