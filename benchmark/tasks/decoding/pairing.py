"""Random draw of conversion pairs: conditions in turn, target voices equally often, one pair a source."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from benchmark.data.manifest import Manifest
from benchmark.tasks.decoding.conversion_pairs import ANY_SPEAKER, Pair, Pairing, Voice, fits, voice_of
from benchmark.types import Utterance


def make_pairs(
    sources: Manifest,
    pool: Iterable[Utterance],
    own_prompts: Mapping[str, Utterance],
    conditions: Sequence[str],
    seed: int,
) -> Pairing:
    """Draw a target prompt for every source; no recording ever prompts itself.

    The sources of a speaker take the conditions in turn, and different speakers start at different
    conditions. Target speakers, languages and recordings serve equally often. A source that can meet none of
    the conditions is paired with any other speaker; if there is no other speaker, the source has no pair.

    Args:
        sources: Utterances to convert.
        pool: Recordings to take prompts from, in any language.
        own_prompts: Another recording of the same speaker by source id, for the condition "self".
        conditions: Names among those of `metrics.conditions.CONDITIONS`.
        seed: Seed of the choice between prompts that have served equally often.
    """
    voices: dict[Voice, list[Utterance]] = {}
    for utterance in sorted(pool, key=lambda u: u.utterance_id):
        if np.isfinite(utterance.duration):
            voices.setdefault(voice_of(utterance), []).append(utterance)
    draw = _EvenDraw(voices, seed)
    turns: Counter[str] = Counter({s: n for n, s in enumerate(sorted({u.speaker_id for u in sources}))})
    possible: set[str] = set()
    pairs = []
    for source in sources:
        fitting = {
            condition: [voice for voice in voices if fits(voice_of(source), voice, condition)]
            for condition in (*conditions, ANY_SPEAKER)
        }
        able = [
            condition
            for condition in conditions
            if (source.utterance_id in own_prompts if condition == "self" else fitting[condition])
        ] or ([ANY_SPEAKER] if fitting[ANY_SPEAKER] else [])
        possible.update(able)
        if not able:
            continue
        condition = able[turns[source.speaker_id] % len(able)]
        turns[source.speaker_id] += 1
        if condition == "self":
            target = own_prompts[source.utterance_id]
        else:
            target = draw(source, condition, fitting[condition])
        pairs.append(Pair(source.utterance_id, target.utterance_id, target.speaker_id, condition))
    served = {pair.condition for pair in pairs}
    everyone = {voice_of(utterance) for utterance in sources} | voices.keys()
    left_out = {
        condition: "too few sources for all conditions"
        if condition in possible
        else _why_none(condition, everyone)
        for condition in conditions
        if condition not in served
    }
    return Pairing(tuple(pairs), left_out)


class _EvenDraw:
    """Draws prompts so that speakers, languages and recordings serve equally often."""

    def __init__(self, voices: Mapping[Voice, Sequence[Utterance]], seed: int) -> None:
        self._voices = voices
        self._rng = np.random.default_rng(seed)
        self._used: Counter[tuple[str, ...]] = Counter()

    def __call__(self, source: Utterance, condition: str, fitting: Sequence[Voice]) -> Utterance:
        """Draw a recording of one of the `fitting` voices, none of which is the source speaker's."""

        def marks(voice: Voice) -> list[tuple[str, ...]]:
            return [
                ("speaker", condition, voice.speaker),
                ("language", condition, voice.language),
                ("both", source.speaker_id, voice.speaker),
            ]

        voice = fitting[self._least([[self._used[mark] for mark in marks(v)] for v in fitting])]
        recordings = self._voices[voice]
        target = recordings[self._least([[self._used["recording", u.utterance_id]] for u in recordings])]
        self._used.update([*marks(voice), ("recording", target.utterance_id)])
        return target

    def _least(self, uses: Sequence[list[int]]) -> int:
        """Return the index of the smallest entry; ties are broken at random."""
        chances = self._rng.random(len(uses))
        return min(range(len(uses)), key=lambda place: (uses[place], chances[place]))


def _why_none(condition: str, voices: Iterable[Voice]) -> str:
    if condition == "self":
        return "no speaker has a second recording"
    if len({voice.speaker for voice in voices}) < 2:
        return "there is one speaker only"
    if condition == "cross_lingual":
        return "no recordings in another language"
    if all(voice.gender is None for voice in voices):
        return "the genders of the speakers are not known"
    return f"no two speakers of {'the same gender' if condition == 'same_gender' else 'different genders'}"
