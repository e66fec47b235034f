"""Pairs of source and target recordings for voice conversion; the list is kept with the scores."""

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from benchmark.data.corpora.prompt_list import parse_prompt_list
from benchmark.data.manifest import Manifest
from benchmark.errors import UserError, list_some
from benchmark.metrics.conditions import CONDITIONS
from benchmark.storage.hashing import digest
from benchmark.types import Utterance

ANY_SPEAKER = "any_speaker"
"""Condition of a pair of two speakers that meets none of the requested conditions."""


class Pair(NamedTuple):
    """One conversion: the words of the recording `source_id` in the voice of the recording `target_id`."""

    source_id: str
    target_id: str
    target_speaker: str
    condition: str


class Voice(NamedTuple):
    """Properties of a recording that pairing looks at; recordings with equal properties are equivalent."""

    speaker: str
    gender: str | None
    language: str


@dataclass(frozen=True)
class Pairing:
    """List of conversion pairs: at most one pair for each source, sorted by source."""

    pairs: tuple[Pair, ...]
    left_out: dict[str, str] = field(default_factory=dict)
    """Reason by requested condition that has no pair."""

    @cached_property
    def digest(self) -> str:
        """Digest of the pairs; the same for a list from a file and a list drawn here."""
        return digest([list(pair) for pair in self.pairs])

    def counts(self) -> dict[str, int]:
        """Return the number of pairs by condition."""
        return dict(sorted(Counter(pair.condition for pair in self.pairs).items()))

    def to_csv(self) -> str:
        """Return CSV text with a header and one line per pair, as `read_pairs` reads it."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerows([Pair._fields, *self.pairs])
        return text.getvalue()


def voice_of(utterance: Utterance) -> Voice:
    """Return the properties of a recording that pairing looks at."""
    return Voice(utterance.speaker_id, utterance.gender, utterance.language)


def fits(source: Voice, target: Voice, condition: str) -> bool | None:
    """Tell whether a pair of recordings meets a condition; None where a gender is not known."""
    if condition == "self":
        return source.speaker == target.speaker
    if source.speaker == target.speaker:
        return False
    if condition == "cross_lingual":
        return source.language != target.language
    if condition in ("same_gender", "cross_gender"):
        if source.language != target.language:
            return False
        if source.gender is None or target.gender is None:
            return None
        return (source.gender == target.gender) is (condition == "same_gender")
    return True


def condition_of(source: Voice, target: Voice) -> str:
    """Return the condition that a pair of recordings meets; `ANY_SPEAKER` where a gender is not known."""
    return next((name for name in CONDITIONS if fits(source, target, name)), ANY_SPEAKER)


def read_pairs(path: Path, sources: Manifest, pool: Mapping[str, Utterance]) -> Pairing:
    """Read and check the pairs of a file.

    Args:
        path: CSV file such as `Pairing.to_csv` writes, or a published list such as utt2prompt, with source id
            and prompt id in each line. Conditions of the latter follow from the speakers.
        sources: Utterances that may be converted.
        pool: Recordings that may serve as prompts, by id.

    Raises:
        UserError: The file cannot be read, or some pairs are not possible; the message names their ids.
    """
    try:
        text = path.read_text(encoding="utf-8-sig").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"task.pairs: {path} cannot be read: {getattr(error, 'strerror', None) or error}; "
            "speech-token-benchmark pairs makes one"
        ) from error
    known = {utterance.utterance_id: utterance for utterance in sources}
    malformed: list[str] = []
    if published := "," not in text:
        listed = parse_prompt_list(text)
        pairs, malformed = sorted(_with_conditions(listed.pairs, known, pool)), listed.malformed
    else:
        pairs = sorted(_columns(path, text))
    counts = Counter(pair.source_id for pair in pairs)
    whole = [pair for pair in pairs if pair.source_id in known and pair.target_id in pool]
    wrong = {
        "not two ids": malformed,
        "unknown source": [pair.source_id for pair in pairs if pair.source_id not in known],
        "unknown target": [pair.target_id for pair in pairs if pair.target_id not in pool],
        "source listed twice": [name for name, count in counts.items() if count > 1],
        "prompted by itself": [pair.source_id for pair in pairs if pair.source_id == pair.target_id],
        "prompt file missing or damaged": [
            pair.target_id for pair in whole if math.isnan(pool[pair.target_id].duration)
        ],
        f"condition not of {', '.join(CONDITIONS)}, {ANY_SPEAKER}": [
            pair.condition for pair in pairs if pair.condition not in (*CONDITIONS, ANY_SPEAKER)
        ],
        "target of another speaker": [
            p.target_id for p in whole if pool[p.target_id].speaker_id != p.target_speaker
        ],
        "condition does not hold": [
            pair.source_id
            for pair in whole
            if fits(voice_of(known[pair.source_id]), voice_of(pool[pair.target_id]), pair.condition) is False
        ],
    }
    found = [f"{what}: {list_some(names)}" for what, names in wrong.items() if names]
    if found or not pairs:
        remedy = "speech-token-benchmark pairs makes one."
        if published and (wrong["unknown source"] or wrong["unknown target"]):
            remedy = "A published list belongs to its own test split: testset-B's needs TESTSET_B=<file>."
        raise UserError(f"task.pairs: {path}: {'; '.join(found) or 'it has no pair'}. {remedy}")
    return Pairing(tuple(pairs))


def _columns(path: Path, text: str) -> list[Pair]:
    """Return the pairs of a CSV file.

    Raises: UserError for other columns than those of `Pair`.
    """
    lines = list(csv.reader(text.splitlines()))
    if lines[0] != list(Pair._fields) or any(len(line) != len(Pair._fields) for line in lines):
        raise UserError(
            f"task.pairs: {path} needs the columns {','.join(Pair._fields)} in every line, or without commas "
            "the ids of source and prompt"
        )
    return [Pair(*line) for line in lines[1:]]


def _with_conditions(
    listed: Iterable[tuple[str, str]], known: Mapping[str, Utterance], pool: Mapping[str, Utterance]
) -> list[Pair]:
    """Return the pairs of a published list; those with an unknown id have no speaker."""
    pairs = []
    for name, prompt in listed:
        source, target = known.get(name), pool.get(prompt)
        if source is None or target is None:
            pairs.append(Pair(name, prompt, "", ANY_SPEAKER))
        else:
            condition = condition_of(voice_of(source), voice_of(target))
            pairs.append(Pair(name, prompt, target.speaker_id, condition))
    return pairs
