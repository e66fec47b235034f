"""Tests of real-time factors: the work that is timed, the decoder in use, and the weights."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.data.corpora.base import Corpus
from benchmark.models.vocoder.config import VocoderConfig
from benchmark.tasks import speed
from benchmark.tasks.base import RunContext
from benchmark.tasks.decoding import resynthesis
from benchmark.tasks.speed import Speed
from benchmark.tokenizers.encoding.encode import fit_codebook
from benchmark.tokenizers.ground_truth import GroundTruth
from benchmark.tokenizers.mel_rvq import MelRvq
from benchmark.tokenizers.opus import Opus

CONFIG = VocoderConfig(name="parrot")


def task(**arguments: Any) -> Speed:
    return Speed(name="speed", vocoder=CONFIG, limit=3, **arguments)


def test_it_times_what_is_done_for_each_utterance(
    voices: Corpus, context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = Opus(name="opus_6k", bitrate=6000)
    calls: list[str] = []
    encode, decode = codec.encode, codec.decode

    def slow_encode(*arguments: Any) -> Any:
        calls.append("encode")
        time.sleep(0.03)
        return encode(*arguments)

    def slow_decode(*arguments: Any) -> Any:
        calls.append("decode")
        time.sleep(0.06)
        return decode(*arguments)

    monkeypatch.setattr(codec, "encode", slow_encode)
    monkeypatch.setattr(codec, "decode", slow_decode)
    outcome = task().run(codec, voices, context)
    assert calls == ["encode", "decode"] * 4  # the first utterance runs twice, to warm up
    frame = outcome.utterances
    seconds = frame["rtf_encode:weight"]
    assert (frame["rtf_encode"] * seconds >= 0.03).all() and (frame["rtf_decode"] * seconds >= 0.06).all()
    first, second = outcome.measures
    assert first.interval.value == pytest.approx((frame["rtf_encode"] * seconds).sum() / seconds.sum())
    assert (first.interval.n_scored, second.interval.n_scored) == (3, 3)
    assert first.definition == f"{Speed.reports['rtf_encode'].definition}; on the CPU, 1 thread"
    assert outcome.decoder == "own" and outcome.notes["load_average"] >= 0


def test_the_vocoder_decodes_where_the_tokenizer_cannot(
    voices: Corpus, context: RunContext, monkeypatch: pytest.MonkeyPatch, parrot: None
) -> None:
    heard: list[int] = []

    class Parrot:
        @classmethod
        def load(cls, *_: Any) -> "Parrot":
            return cls()

        def synthesize(self, codes: list[np.ndarray], prompts: Any, samples: list[int]) -> list[np.ndarray]:
            heard.append(codes[0].shape[0])
            return [np.zeros(samples[0], np.float32)]

    monkeypatch.setattr(speed, "Vocoder", Parrot)
    monkeypatch.setattr(speed, "trained_vocoder", resynthesis.trained_vocoder)  # the parrot's replacement
    tokenizer = MelRvq(name="mel_rvq", num_codebooks=2, codebook_size=4)
    outcome = task().run(fit_codebook(tokenizer, voices, context.store, seed=0), voices, context)
    assert heard == [2] * 4 and outcome.decoder == CONFIG.label


def test_a_recording_that_cannot_be_read_is_counted(voices: Corpus, context: RunContext) -> None:
    test = voices.manifest("test", context.store).subset(3)
    Path(next(iter(test)).audio_path).write_bytes(b"no audio")
    outcome = task().run(Opus(name="opus_6k", bitrate=6000), voices, context)
    assert [m.interval.n_failed for m in outcome.measures] == [1, 1]
    assert "unreadable audio" in outcome.notes["failures"][0]


def test_the_recording_itself_takes_no_time(voices: Corpus, context: RunContext) -> None:
    assert task().run(GroundTruth(name="ground_truth"), voices, context).status == "n/a"


def test_threads_and_device_make_another_number(voices: Corpus, context: RunContext) -> None:
    codec = Opus(name="opus_6k", bitrate=6000)
    one = task().identity(codec, voices, context)
    two = replace(task(), threads=2)
    assert two.identity(codec, voices, context) != one
    measured = two.run(codec, voices, context)
    assert "2 threads" in measured.measures[0].definition and torch.get_num_threads() == 1
