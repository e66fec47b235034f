"""Tests of `asr=nemo` with a small package that has NeMo's calls, in a process of its own.

The calls are those of nemo/collections/asr/models/asr_model.py, parts/mixins/transcription.py and
core/classes/modelPT.py of NVIDIA NeMo: `restore_from(restore_path, …, map_location)` and
`transcribe(audio, batch_size=4, …, verbose=True)`, keyword names included.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.data.audio import AudioError
from benchmark.errors import UserError
from benchmark.extractors.asr.nemo import Nemo
from benchmark.jobs.build import build
from benchmark.jobs.compose import compose, open_hydra
from benchmark.metrics.intelligibility import WordErrorRate
from benchmark.metrics.signal_pair import Pair

MODELS = """
import os, sys, time
import numpy as np
import torch

class Hypothesis:
    def __init__(self, text):
        self.text = text

class ASRModel:
    @classmethod
    def restore_from(cls, restore_path, override_config_path=None, map_location=None, strict=True,
                     return_config=False, save_restore_connector=None, trainer=None):
        print("[NeMo I] Model ASRModel was restored from", restore_path)
        os.system("echo noise below Python")
        assert os.path.isfile(restore_path) and isinstance(map_location, torch.device)
        return cls()

    def float(self):
        self.kind = "float32"
        return self

    def eval(self):
        return self

    def transcribe(self, audio, batch_size=4, return_hypotheses=False, num_workers=0, channel_selector=None,
                   augmentor=None, verbose=True, override_config=None, **config_kwargs):
        assert not config_kwargs and not verbose and self.kind == "float32" and isinstance(audio, list)
        assert len({len(clip) for clip in audio}) == 1 and len(audio) == batch_size
        print("Transcribing: 100%", end="\\r", flush=True)
        marks = [float(clip[0]) for clip in audio]
        if 0.5 in marks:
            os.abort()
        if 0.25 in marks:
            time.sleep(3600)
        assert all(clip.dtype == np.float32 for clip in audio)
        texts = [f" mister {mark:g} of {len(clip)} " for mark, clip in zip(marks, audio)]
        RETURN
"""
RETURNS = {
    "2.4.0": "return [Hypothesis(text) for text in texts]",
    "2.0.0": "return texts, [[Hypothesis(text)] for text in texts]",
    "2.2.0": "return [[Hypothesis(text), Hypothesis('worse')] for text in texts]",  # of a beam search
}
TORCH = """
class device:
    def __init__(self, name):
        assert name == "cpu"
"""
Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Return a function that installs the package for child processes, with the results of one version."""

    def put(version: str, returns: str = "") -> None:
        files = {
            "torch.py": TORCH,
            "nemo/__init__.py": "print('NeMo greets')",
            "nemo/collections/__init__.py": "",
            "nemo/collections/asr/__init__.py": "",
            "nemo/collections/asr/models.py": MODELS.replace("RETURN", returns or RETURNS[version]),
            "nemo_toolkit.dist-info/METADATA": f"Name: nemo_toolkit\nVersion: {version}\n",
        }
        for name, content in files.items():
            path = tmp_path / "site" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))

    return put


@pytest.fixture
def nemo(tmp_path: Path) -> Nemo:
    folder = tmp_path / "checkpoint"
    folder.mkdir()
    (folder / "model.nemo").write_bytes(b"archive")
    return Nemo(name="FastConformer", checkpoint=str(folder), timeout=5.0)


def clip(mark: float, length: int) -> np.ndarray:
    return np.full(length, mark, np.float32)


@pytest.mark.parametrize("version", RETURNS)
def test_texts_come_back_in_order_whatever_nemo_prints(nemo: Nemo, install: Install, version: str) -> None:
    install(version)
    wavs = [
        clip(0.1, 4000),
        clip(0.2, 3000),
        clip(0.3, 4000),
        clip(0.0, 1600),
        clip(np.nan, 4000),
        clip(1, 9),
    ]
    found = nemo.load("cpu")(wavs)
    assert found[:4] == ["mister 0.1 of 4000", "mister 0.2 of 3000", "mister 0.3 of 4000", "mister 0 of 1600"]
    assert "NaN" in str(found[4]) and "at least 0.1 s" in str(found[5])


def test_a_clip_that_kills_nemo_is_counted_as_failed(nemo: Nemo, install: Install) -> None:
    install("2.4.0")
    wavs = [clip(mark, 2000) for mark in (0.1, 0.5, 0.2, 0.3)]
    found = replace(nemo, batch_size=3, python=sys.executable).load("cpu")(wavs)
    assert [found[at] for at in (0, 2, 3)] == [f"mister {mark:g} of 2000" for mark in (0.1, 0.2, 0.3)]
    assert isinstance(found[1], AudioError) and "SIGABRT" in str(found[1])
    # The metric then has a reason instead of a score, and the normaliser of Whisper on what was heard.
    metric = WordErrorRate(label="WER", asr=nemo)
    heard = {("decoded", nemo.key): found[0]}
    assert metric.score(Pair("a", wavs[0], wavs[0], "MR 0.1 of 2000!", given=heard)).value == 0
    with pytest.raises(AudioError, match="SIGABRT"):
        metric.score(Pair("b", wavs[1], wavs[1], "a", given={("decoded", nemo.key): found[1]}))


def test_a_clip_that_hangs_nemo_stops_the_job(nemo: Nemo, install: Install) -> None:
    install("2.4.0")
    with pytest.raises(UserError, match=r"FastConformer took more than 1 s for one clip: raise asr\.timeout"):
        replace(nemo, timeout=1.0).load("cpu")([clip(0.25, 2000)])


def test_a_text_that_is_none_is_no_transcript(nemo: Nemo, install: Install) -> None:
    install("2.4.0", "return [Hypothesis(None if mark == 0.75 else 'heard') for mark in marks]")
    none, other = nemo.load("cpu")([clip(0.75, 2000), clip(0.1, 3000)])
    assert isinstance(none, AudioError) and "TypeError: NeMo gave None instead of a text" in str(none)
    assert other == "heard"


def test_a_listener_may_hear_nothing_but_texts(nemo: Nemo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Nemo, "listener", lambda self, device: lambda wavs: [None for _ in wavs])
    with pytest.raises(TypeError, match="Nemo heard None; legal: a text"):
        nemo.load("cpu")([clip(0.1, 2000)])


@pytest.mark.parametrize("seconds", [0, -5, "soon"])
def test_a_time_limit_that_is_none_is_refused_before_anything_runs(seconds: object) -> None:
    with (
        open_hydra() as hydra,
        pytest.raises(UserError, match=f"asr.timeout={seconds} is no time limit; legal: seconds above 0"),
    ):
        build(compose(hydra, ["asr=nemo", "metric=wer", f"asr.timeout={seconds}"]).metric.wer)


def test_weights_and_version_are_the_key_and_the_rest_is_not(nemo: Nemo, install: Install) -> None:
    install("2.4.0")
    first = nemo.identity()
    assert first["package"] == "2.4.0" and first["class"] == "Nemo"
    assert replace(nemo, name="other", batch_size=1, timeout=9.0, python=sys.executable).identity() == first
    (nemo.folder / "README.md").write_text("no weights")
    assert replace(nemo).key == nemo.key
    install("2.2.0")
    assert replace(nemo).key != nemo.key
    (nemo.folder / "model.nemo").write_bytes(b"another")
    assert replace(nemo).identity()["weights"] != first["weights"]


def test_what_is_missing_comes_with_the_next_step(nemo: Nemo, install: Install, tmp_path: Path) -> None:
    for lacking in (nemo, replace(nemo, python=sys.executable)):  # NeMo is not installed beside this package
        with pytest.raises(
            UserError, match=r"has no package nemo_toolkit: .*pip install 'nemo_toolkit\[asr\]>=2.0'"
        ):
            lacking.load("cpu")
    with pytest.raises(UserError, match=r"asr.python=/no/python is no Python that runs"):
        replace(nemo, python="/no/python").load("cpu")
    install("1.22.0", "return texts")
    with pytest.raises(UserError, match=r"nemo_toolkit 1.22.0, at least 2.0 is needed"):
        replace(nemo).load("cpu")
    install("2.4.0")
    (tmp_path / "site/nemo/collections/asr/models.py").write_text("import hydra_of_another_age")
    with pytest.raises(UserError, match=r"ASR FastConformer cannot be loaded by .*'hydra_of_another_age'"):
        replace(nemo).load("cpu")
    (nemo.folder / "second.nemo").touch()
    with pytest.raises(UserError, match=r"must hold one .* file, not 2"):
        replace(nemo).load("cpu")


def test_the_yaml_is_the_surveys_listener(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEMO_PYTHON", "/opt/nemo/bin/python")
    with open_hydra() as hydra:
        metric = build(compose(hydra, ["asr=nemo", "metric=wer"]).metric.wer)
    assert metric.asr.checkpoint == "nvidia/stt_en_fastconformer_transducer_large"
    assert metric.asr.python == "/opt/nemo/bin/python" and len(metric.asr.revision) == 40
    assert "Whisper English normaliser" in metric.definition and "corpus level" in metric.definition
    assert "nvidia/stt_en_fastconformer_transducer_large (NeMo float32)" in metric.definition
    monkeypatch.delenv("NEMO_PYTHON")
    with open_hydra() as hydra:
        assert build(compose(hydra, ["asr=nemo", "metric=wer"]).metric.wer).asr.python is None
