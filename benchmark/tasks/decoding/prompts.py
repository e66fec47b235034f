"""Choice of the recordings that give decoded speech the voice of an utterance's own speaker."""

from typing import Literal

import numpy as np

from benchmark.data.corpora.base import Corpus
from benchmark.data.manifest import Manifest
from benchmark.storage.artifacts import ArtifactStore
from benchmark.types import Utterance

PromptRule = Literal["same_speaker", "original"]
"""Recording that prompts an utterance: another one of the same speaker, or the utterance itself."""
PROMPT_SEED = 0
"""Seed of the prompts; fixed, so that every tokenizer and every training seed gets the same prompts."""


def ruled_prompts(
    rule: PromptRule, corpus: Corpus, manifest: Manifest, store: ArtifactStore
) -> dict[str, Utterance]:
    """Return the prompt of each utterance of `manifest` by one rule, for vocoders and own decoders alike."""
    if rule == "original":
        return {utterance.utterance_id: utterance for utterance in manifest}
    return own_prompts(corpus, manifest, store)


def own_prompts(corpus: Corpus, manifest: Manifest, store: ArtifactStore) -> dict[str, Utterance]:
    """Return the prompts that the corpus lists for `manifest`, or else `same_speaker_prompts`."""
    listed = corpus.listed_prompts(store)
    if listed is None:
        return same_speaker_prompts(manifest, corpus.manifest("test", store))
    return {utterance.utterance_id: listed[utterance.utterance_id] for utterance in manifest}


def same_speaker_prompts(manifest: Manifest, split: Manifest) -> dict[str, Utterance]:
    """Choose for each utterance another recording of its speaker, by utterance id.

    An utterance never prompts itself, because its own timbre and its own words would leak into the score.
    The prompt comes from `manifest`. If the speaker has no other recording there, the prompt comes from
    the whole `split` that `manifest` was drawn from. Utterances of a speaker with a single recording have
    no prompt and are absent.
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
    """Group the readable recordings by speaker, in the order of speaker ids."""
    groups: dict[str, list[Utterance]] = {}
    for utterance in manifest:
        if np.isfinite(utterance.duration):
            groups.setdefault(utterance.speaker_id, []).append(utterance)
    return dict(sorted(groups.items()))
