"""A few utterances to listen to, kept with the rows: the original, the prompt, and what was decoded."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark.artifacts import digest
from benchmark.data.audio import AudioError, read_audio, wav_bytes
from benchmark.data.manifest import Manifest
from benchmark.tasks.resynthesis import Resynthesis
from benchmark.types import Utterance

EXAMPLES = 3
LONGEST = 100
"""Characters of an id in a file's name."""


def examples(
    groups: Mapping[str, str],
    manifest: Manifest,
    prompts: Mapping[str, Utterance],
    audio: Resynthesis,
    made: str,
) -> dict[str, bytes]:
    """16-bit WAV at 16 kHz by file name, `<utterance>_source.wav`, `…_prompt.wav` and `…_<made>.wav`.

    The first decoded utterance of each group in the manifest's order, then the next ones, three in all.

    Args:
        groups: Condition or speaker by utterance id.
        manifest: The originals.
        prompts: Another recording whose voice was given to the utterance, where there is one.
        audio: What was decoded.
        made: What the decoded speech is called, such as "converted".
    """
    decoded = [utterance.utterance_id for utterance in manifest if utterance.utterance_id in audio.files]
    files = {}
    for name in _first_of_each(decoded, groups):
        paths: dict[str, str | Path] = {"source": manifest[name].audio_path, made: audio.files[name]}
        prompt = prompts.get(name)
        if prompt is not None and prompt.utterance_id != name:
            paths["prompt"] = prompt.audio_path
        for role, path in paths.items():
            try:
                files[f"{_file_name(name)}_{role}.wav"] = wav_bytes(read_audio(path))
            except AudioError:  # a prompt or original that cannot be read is counted where it is scored
                continue
    return files


def _file_name(utterance_id: str) -> str:
    """The id where any file may be called so, or else what is left of it and a digest of the whole."""
    name = re.sub(r"^[.-]|[^A-Za-z0-9._+-]", "_", utterance_id)[:LONGEST]
    return name if name == utterance_id else f"{name}-{digest(utterance_id)}"


def _first_of_each(names: Sequence[str], groups: Mapping[str, str]) -> list[str]:
    first: dict[str, str] = {}
    for name in names:
        first.setdefault(groups.get(name, ""), name)
    chosen = list(first.values())[:EXAMPLES]
    return chosen + [name for name in names if name not in chosen][: EXAMPLES - len(chosen)]
