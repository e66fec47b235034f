"""Tests of the classes that a yaml may name, and of the error for any other class."""

from pathlib import Path

import pytest
from omegaconf import OmegaConf

from benchmark.errors import UserError
from benchmark.jobs.build import build
from benchmark.tokenizers.ground_truth import GroundTruth

OWN = """
from benchmark.data.corpora.synthetic import Synthetic
from benchmark.extractors.f0.extractors import Dio
from benchmark.extractors.phones.aligner import KnownPhones
from benchmark.jobs.trackers.base import Csv
from benchmark.metrics.answers import TranscriptWordErrors
from benchmark.metrics.codes.code_metrics import Perplexity
from benchmark.metrics.perceptual import Pesq
from benchmark.models.vocoder.config import ISTFTConfig, LossConfig
from benchmark.tasks.codebook_usage import CodebookUsageTask
from benchmark.tokenizers.ground_truth import GroundTruth

class Codec(GroundTruth): pass
class Speech(Synthetic): pass
class Usage(CodebookUsageTask): pass
class Loudness(Pesq): pass
class Words(TranscriptWordErrors): pass
class Codes(Perplexity): pass
class Pitch(Dio): pass
class Ear(KnownPhones): pass
class Watcher(Csv): pass
class Voice(ISTFTConfig): pass
class Weights(LossConfig): pass
class Other: pass
def codec(**_): return GroundTruth(name="made by a function")
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write an importable module outside the package, and return its name."""
    (tmp_path / "own_classes_of_mine.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "own_classes_of_mine"


def test_own_tokenizers_corpora_and_tasks_are_accepted(own: str) -> None:
    for name in ("Codec", "Speech", "Usage"):
        built = build(OmegaConf.create({"_target_": f"{own}.{name}", "name": "mine"}))
        assert type(built).__name__ == name and built.name == "mine"


@pytest.mark.parametrize(
    "name", ["Loudness", "Words", "Codes", "Pitch", "Ear", "Watcher", "Voice", "Weights"]
)
def test_own_parts_of_every_other_kind_are_accepted(own: str, name: str) -> None:
    assert type(build(OmegaConf.create({"_target_": f"{own}.{name}"}))).__name__ == name


@pytest.mark.parametrize("name", ["Other", "codec", "Missing", "GroundTruth.encode"])
def test_other_things_of_the_same_module_are_refused(own: str, name: str) -> None:
    with pytest.raises(
        UserError, match=rf"{own}.{name}.*Tokenizer or Corpus or Task or .* or ProbeConfig of your own"
    ):
        build(OmegaConf.create({"_target_": f"{own}.{name}", "name": "mine"}))


def test_a_name_is_judged_by_what_it_leads_to(own: str) -> None:
    build(OmegaConf.create({"_target_": f"{own}.GroundTruth", "name": "a class of ours by another name"}))
    for target in (
        "benchmark.storage.artifacts.Path",
        "benchmark.storage.artifacts.os.getcwd",
        "benchmark.storage.hashing.digest",
    ):
        with pytest.raises(UserError, match="Legal"):
            build(OmegaConf.create({"_target_": target}))


def test_nested_targets_are_judged_too(own: str) -> None:
    tokenizer = {"_target_": "benchmark.tokenizers.shuffled.Shuffled", "name": "floor"}
    base = {"_target_": f"{own}.Codec", "name": "mine"}
    assert isinstance(build(OmegaConf.create({**tokenizer, "base": base})).base, GroundTruth)
    with pytest.raises(UserError, match="Other"):
        build(OmegaConf.create({**tokenizer, "base": {**base, "_target_": f"{own}.Other"}}))


def test_a_module_that_does_not_import_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_module_of_mine.py").write_text("import a_library_nobody_has\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UserError, match="a_library_nobody_has") as caught:
        build(OmegaConf.create({"_target_": "broken_module_of_mine.Codec"}))
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="Python path"):
        build(OmegaConf.create({"_target_": "module_that_is_not_there.Codec"}))
