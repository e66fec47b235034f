"""Who speaks with whose voice: prompts and conversion pairs, fixed by a seed and kept with the scores."""

import numpy as np

from benchmark.data.manifest import Manifest
from benchmark.types import Utterance

PAIRING_SEED = 0
"""Part of the task, not of a run: every tokenizer and every training seed gets the same pairs."""


def same_speaker_prompts(manifest: Manifest, split: Manifest) -> dict[str, Utterance]:
    """For each utterance another recording of its speaker.

    An utterance never prompts itself: its own timbre and its own words would leak into the score.
    The prompt comes from `manifest`, or where that holds nothing else of the speaker, from the whole
    `split` it was drawn from. A speaker with a single recording has no prompt and is absent.
    """
    rng = np.random.default_rng(PAIRING_SEED)
    chosen, all_of = _by_speaker(manifest), _by_speaker(split)
    prompts = {}
    for utterance in manifest:
        for voices in (chosen, all_of):
            others = [u for u in voices.get(utterance.speaker_id, []) if u != utterance]
            if others:
                prompts[utterance.utterance_id] = others[rng.integers(len(others))]
                break
    return prompts


def conversion_targets(manifest: Manifest) -> dict[str, Utterance]:
    """For each source utterance a target prompt of another speaker, every second one of the other gender.

    Where genders are unknown, or no speaker of the wanted gender exists, any other speaker serves.
    A manifest with one speaker gives no pair.
    """
    rng = np.random.default_rng(PAIRING_SEED)
    by_speaker = _by_speaker(manifest)
    targets = {}
    for number, source in enumerate(manifest):
        others = [name for name in by_speaker if name != source.speaker_id]
        if not others:
            continue
        cross = number % 2 == 0
        wanted = [s for s in others if _is_cross_gender(source, by_speaker[s][0]) is cross] or others
        voices = by_speaker[wanted[rng.integers(len(wanted))]]
        targets[source.utterance_id] = voices[rng.integers(len(voices))]
    return targets


def _is_cross_gender(source: Utterance, target: Utterance) -> bool | None:
    if source.gender is None or target.gender is None:
        return None
    return source.gender != target.gender


def _by_speaker(manifest: Manifest) -> dict[str, list[Utterance]]:
    """The readable recordings of each speaker."""
    groups: dict[str, list[Utterance]] = {}
    for utterance in manifest:
        if np.isfinite(utterance.duration):
            groups.setdefault(utterance.speaker_id, []).append(utterance)
    return dict(sorted(groups.items()))
