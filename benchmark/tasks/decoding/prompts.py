"""With which recording a vocoder is prompted to give an utterance its own speaker's voice."""

import numpy as np

from benchmark.data.corpora.base import Corpus
from benchmark.data.manifest import Manifest
from benchmark.storage.artifacts import ArtifactStore
from benchmark.types import Utterance

PROMPT_SEED = 0
"""Part of the task, not of a run: every tokenizer and every training seed gets the same prompts."""


def own_prompts(corpus: Corpus, manifest: Manifest, store: ArtifactStore) -> dict[str, Utterance]:
    """For each utterance of `manifest` the prompt that the corpus lists, or else `same_speaker_prompts`."""
    listed = corpus.listed_prompts(store)
    if listed is None:
        return same_speaker_prompts(manifest, corpus.manifest("test", store))
    return {utterance.utterance_id: listed[utterance.utterance_id] for utterance in manifest}


def same_speaker_prompts(manifest: Manifest, split: Manifest) -> dict[str, Utterance]:
    """For each utterance another recording of its speaker.

    An utterance never prompts itself: its own timbre and its own words would leak into the score.
    The prompt comes from `manifest`, or where that holds nothing else of the speaker, from the whole
    `split` it was drawn from. A speaker with a single recording has no prompt and is absent.
    """
    rng = np.random.default_rng(PROMPT_SEED)
    chosen, all_of = _by_speaker(manifest), _by_speaker(split)
    prompts = {}
    for utterance in manifest:
        for voices in (chosen, all_of):
            others = [u for u in voices.get(utterance.speaker_id, []) if u != utterance]
            if others:
                prompts[utterance.utterance_id] = others[rng.integers(len(others))]
                break
    return prompts


def _by_speaker(manifest: Manifest) -> dict[str, list[Utterance]]:
    """The readable recordings of each speaker."""
    groups: dict[str, list[Utterance]] = {}
    for utterance in manifest:
        if np.isfinite(utterance.duration):
            groups.setdefault(utterance.speaker_id, []).append(utterance)
    return dict(sorted(groups.items()))
