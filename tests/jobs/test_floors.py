"""Floors in the configs: named for their base, and one for each tokenizer under test."""

import pytest

from benchmark.jobs.build import build
from benchmark.jobs.compose import compose, compose_jobs, open_hydra
from benchmark.tokenizers.shuffled import Shuffled


@pytest.mark.parametrize(
    ("overrides", "base"),
    [
        (["tokenizer=shuffled"], "whisper_kmeans"),
        (["tokenizer=shuffled_mel_rvq"], "mel_rvq"),
        (["tokenizer=shuffled_mfcc_kmeans"], "mfcc_kmeans"),
        (["tokenizer=shuffled", "tokenizer@tokenizer.base=mimi"], "mimi"),
        (["tokenizer=shuffled_mel_rvq", "tokenizer.base.name=mel_rvq_2"], "mel_rvq_2"),
    ],
)
def test_a_floor_is_named_for_its_base(overrides: list[str], base: str) -> None:
    with open_hydra() as hydra:
        tokenizer = build(compose(hydra, overrides).tokenizer)
    assert isinstance(tokenizer, Shuffled)
    assert tokenizer.name == f"shuffled_{base}" and tokenizer.base_tokenizer.name == base


@pytest.mark.parametrize(
    "experiments", [["mini", "mini_floors"], ["probing", "probing_anchors"]], ids=["mini", "probing"]
)
def test_every_tokenizer_under_test_has_a_floor_of_its_own(experiments: list[str]) -> None:
    with open_hydra() as hydra:
        jobs = [
            job for name in experiments for job in compose_jobs(hydra, [f"experiment={name}"], multirun=False)
        ]
    names = {job.tokenizer.name for job in jobs}
    tested = {name for name in names if name.endswith(("_rvq", "_kmeans")) and "shuffled" not in name}
    assert len(tested) == 3 and {f"shuffled_{name}" for name in tested} <= names
    assert "constant" in names
