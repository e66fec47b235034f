"""One line of SLURP's annotations: a sentence, its labels and its recordings."""

import json
from typing import NamedTuple


class Row(NamedTuple):
    """The fields used from one line of annotations."""

    slurp_id: int
    sentence: str
    intent: str
    scenario: str
    action: str
    files: list[str]
    """Recordings of the sentence, in the order listed."""


def parse(line: str) -> Row:
    """Read one line of an annotation file; raise ValueError, KeyError or TypeError for another content."""
    row = json.loads(line)
    return Row(
        slurp_id=int(row["slurp_id"]),
        sentence=str(row["sentence"]),
        intent=str(row["intent"]),
        scenario=str(row["scenario"]),
        action=str(row["action"]),
        files=[str(recording["file"]) for recording in row["recordings"]],
    )


def is_headset(file: str) -> bool:
    """Return whether a recording of `slurp_real` is from a close-talk microphone, as its name says."""
    return file.removesuffix(".flac").endswith("-headset")


def has_bare_intent(row: Row) -> bool:
    """Return whether the gold intent is the action alone, without the scenario."""
    return row.intent == row.action


def intent_of(row: Row) -> str:
    """Return the intent as "scenario_action".

    About 228 of the published rows lack the scenario ("query" for "weather_query", issue 4 of the SLURP
    repository). The scenario is restored there, and nothing else is changed.
    """
    return f"{row.scenario}_{row.action}" if has_bare_intent(row) else row.intent
