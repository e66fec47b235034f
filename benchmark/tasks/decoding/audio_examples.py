"""A few utterances to listen to, kept with the rows: the original, the prompt, and what was decoded."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from benchmark.data.audio import AudioError, read_audio, wav_bytes
from benchmark.data.manifest import Manifest
from benchmark.storage.hashing import file_name
from benchmark.tasks.decoding.resynthesis import Resynthesis
from benchmark.types import Utterance

EXAMPLES = 3
"""The same for every tokenizer, so that they can be compared by ear."""
WORST, BEST = 2, 1
"""A tokenizer's own, by a metric."""


def examples(
    groups: Mapping[str, str],
    manifest: Manifest,
    prompts: Mapping[str, Utterance],
    audio: Resynthesis,
    made: str,
    goodness: pd.Series | None = None,
) -> dict[str, bytes]:
    """16-bit WAV at 16 kHz by file name, `<utterance>_source.wav`, `…_prompt.wav` and `…_<made>.wav`.

    The first decoded utterance of each group in the manifest's order, then the next ones, three in all; and
    by `goodness` the two worst and the best.

    Args:
        groups: Condition or speaker by utterance id.
        manifest: The originals.
        prompts: Another recording whose voice was given to the utterance, where there is one.
        audio: What was decoded.
        made: What the decoded speech is called, such as "converted".
        goodness: A score by utterance id, higher where better, NaN where there is none.
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
            except AudioError:  # a prompt or original that cannot be read is counted where it is scored
                continue
    return files


def _first_of_each(names: Sequence[str], groups: Mapping[str, str]) -> list[str]:
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(groups.get(name, ""), name)
    chosen = list(first.values())[:EXAMPLES]
    return chosen + [name for name in names if name not in chosen][: EXAMPLES - len(chosen)]


def _extremes(names: Sequence[str], goodness: pd.Series) -> list[str]:
    """The worst and the best; among equals those that come first."""
    scored = goodness.reindex(list(names)).dropna()
    worst = scored.sort_values(kind="stable").index[:WORST]
    best = (-scored).sort_values(kind="stable").index[:BEST]
    return list(dict.fromkeys([*worst, *best]))
