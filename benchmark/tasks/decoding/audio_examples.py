"""Audio examples of a job, kept with its rows: originals, prompts and decoded speech of a few utterances."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from benchmark.data.audio import AudioError, read_audio, wav_bytes
from benchmark.data.manifest import Manifest
from benchmark.storage.hashing import file_name
from benchmark.tasks.decoding.resynthesis import Resynthesis
from benchmark.types import Utterance

EXAMPLES = 3
"""Number of utterances that are the same for every tokenizer, so that listeners can compare tokenizers."""
WORST, BEST = 2, 1
"""Numbers of further utterances, chosen by a metric for each tokenizer."""


def examples(
    groups: Mapping[str, str],
    manifest: Manifest,
    prompts: Mapping[str, Utterance],
    audio: Resynthesis,
    made: str,
    goodness: pd.Series | None = None,
) -> dict[str, bytes]:
    """Choose audio examples, and read them as 16-bit WAV at 16 kHz.

    Three examples are the first decoded utterance of each group in the manifest's order, filled up with the
    next utterances. Three more are the two worst and the best utterance by `goodness`.

    Args:
        groups: Condition or speaker by utterance id.
        manifest: The originals.
        prompts: Recording that gave the utterance its voice, by utterance id, where there is one.
        audio: Decoded speech.
        made: Name of decoded speech in file names, such as "converted".
        goodness: Score by utterance id, higher is better, NaN for no score; None for no score at all.

    Returns:
        WAV bytes by file name: `<utterance>_source.wav`, `<utterance>_prompt.wav`, `<utterance>_<made>.wav`.
    """
    decoded = [utterance.utterance_id for utterance in manifest if utterance.utterance_id in audio.files]
    files = {}
    chosen = _first_of_each(decoded, groups)
    if goodness is not None:
        chosen += [name for name in _extremes(decoded, goodness) if name not in chosen]
    for name in chosen:
        paths: dict[str, str | Path] = {"source": manifest[name].audio_path, made: audio.files[name]}
        prompt = prompts.get(name)
        if prompt is not None and prompt.utterance_id != name:
            paths["prompt"] = prompt.audio_path
        for role, path in paths.items():
            try:
                files[f"{file_name(name)}_{role}.wav"] = wav_bytes(read_audio(path))
            except AudioError:  # evaluation counts unreadable recordings as failures
                continue
    return files


def _first_of_each(names: Sequence[str], groups: Mapping[str, str]) -> list[str]:
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(groups.get(name, ""), name)
    chosen = list(first.values())[:EXAMPLES]
    return chosen + [name for name in names if name not in chosen][: EXAMPLES - len(chosen)]


def _extremes(names: Sequence[str], goodness: pd.Series) -> list[str]:
    """Return the names with the worst scores, then those with the best; ties go to the earlier name."""
    scored = goodness.reindex(list(names)).dropna()
    worst = scored.sort_values(kind="stable").index[:WORST]
    best = (-scored).sort_values(kind="stable").index[:BEST]
    return list(dict.fromkeys([*worst, *best]))
