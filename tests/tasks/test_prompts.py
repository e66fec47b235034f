"""Tests of prompts: a fixed choice of another recording by the same speaker."""

import math

import pytest

from benchmark.data.manifest import Manifest
from benchmark.tasks.decoding.prompts import same_speaker_prompts
from benchmark.types import Utterance


def utterance(name: str, speaker: str, gender: str | None = None, duration: float = 2.0) -> Utterance:
    return Utterance(name, f"{name}.wav", speaker, duration, name, gender=gender)


@pytest.fixture
def manifest() -> Manifest:
    genders = {"s0": "F", "s1": "F", "s2": "M", "s3": "M"}
    return Manifest(utterance(f"{s}-{i}", s, g) for s, g in genders.items() for i in range(5))


def test_prompt_is_another_recording_of_the_same_speaker(manifest: Manifest) -> None:
    prompts = same_speaker_prompts(manifest, manifest)
    assert len(prompts) == len(manifest)
    for source in manifest:
        prompt = prompts[source.utterance_id]
        assert prompt.speaker_id == source.speaker_id and prompt != source


def test_lonely_speaker_has_no_prompt_and_unreadable_audio_is_none(manifest: Manifest) -> None:
    lonely = utterance("z", "s9")
    damaged = utterance("s0-damaged", "s0", "F", math.nan)
    whole = Manifest([*manifest, lonely, damaged])
    prompts = same_speaker_prompts(whole, whole)
    assert "z" not in prompts
    assert damaged not in prompts.values()


def test_one_utterance_a_speaker_is_prompted_from_the_rest_of_the_split(manifest: Manifest) -> None:
    few = manifest.subset(4)
    prompts = same_speaker_prompts(few, manifest)
    assert len(prompts) == 4
    for name, prompt in prompts.items():
        assert prompt.speaker_id == few[name].speaker_id and prompt.utterance_id != name


def test_prompts_are_the_same_every_time(manifest: Manifest) -> None:
    again = Manifest(reversed(list(manifest)))
    assert same_speaker_prompts(manifest, manifest) == same_speaker_prompts(again, again)
