"""A small grammar of spoken commands with twelve intents in four scenarios, written for this benchmark.

The intents of a scenario share their frames and slots and differ in a key word. Two frames in five also hold
the key word of another intent, as in "please don't stop the music, just play it" against "just stop the
music, please don't play it". These sentences have the same words, and only the order tells the intents
apart, so a bag of sounds is not enough. Slot words were kept or dropped according to how well Whisper
tiny.en recognises them in eSpeak NG's speech.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, product, zip_longest
from string import Formatter

import numpy as np

from benchmark.errors import UserError, unknown

Slots = Mapping[str, Sequence[str]]

ROOMS = (
    *("kitchen", "bedroom", "bathroom", "garden", "garage", "hallway"),
    *("office", "basement", "library", "studio", "dining room"),
)
SLOTS: Slots = {
    "lead": ("please", "computer", "okay computer"),
    "room": ROOMS,
    "other_room": ROOMS,
    "day": ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
    "part": ("morning", "afternoon", "evening", "weekend"),
    "genre": (
        *("rock", "piano", "guitar", "country", "summer", "winter", "birthday", "wedding"),
        *("french", "spanish", "african", "irish", "italian", "german", "christmas"),
    ),
    "name": (
        *("david", "laura", "thomas", "susan", "rachel", "martin", "alice", "robert", "jennifer"),
        *("patrick", "michael", "victoria", "daniel", "helen", "oliver", "sophie", "charles"),
    ),
    "event": (
        *("meeting", "lunch", "dinner", "concert", "picnic", "appointment", "conference"),
        *("breakfast", "flight", "training", "workshop", "holiday", "exercise"),
        *("presentation", "festival", "gymnastics", "vacation", "ceremony"),
    ),
}


@dataclass(frozen=True)
class Scenario:
    """Frames that all intents of a scenario share, and the key words that tell the intents apart.

    `{key}` is a key word of the sentence's own intent, `{other}` one of a different intent.
    """

    frames: tuple[str, ...]
    keys: Mapping[str, tuple[str, ...]]


SCENARIOS: Mapping[str, Scenario] = {
    "lights": Scenario(
        frames=(
            "{lead} turn the lights in the {room} {key}",
            "turn the {room} lights {key} before my {event}",
            "on {day}, turn the {room} lights {key}",
            "leave the {room} {other}, but turn the {other_room} {key}",
            "turn the {room} {key}, but leave the {other_room} {other}",
        ),
        keys={"on": ("on",), "off": ("off",), "color": ("blue", "yellow")},
    ),
    "reminder": Scenario(
        frames=(
            "{lead} {key} the reminder for my {event} on {day}",
            "{key} the {day} reminder before my {event}",
            "i need to {key} a reminder for {day} {part}",
            "please don't {other} the reminder for {day}, just {key} it",
            "just {key} the reminder for {day}, please don't {other} it",
        ),
        keys={"set": ("set", "create"), "remove": ("remove", "delete"), "read": ("read", "repeat")},
    ),
    "music": Scenario(
        frames=(
            "{lead} {key} the {genre} music in the {room}",
            "{key} the {genre} song by {name}",
            "i want to {key} this {genre} song on {day}",
            "please don't {other} the {genre} music, just {key} it",
            "just {key} the {genre} music, please don't {other} it",
        ),
        keys={"play": ("play", "start"), "stop": ("stop", "pause"), "share": ("share", "copy")},
    ),
    "calendar": Scenario(
        frames=(
            "{lead} {key} the {event} with {name} on {day}",
            "{key} the {event} in my calendar for {day}",
            "i want to {key} the {part} {event} with {name}",
            "please don't {other} the {event} with {name}, just {key} it",
            "just {key} the {event} with {name}, please don't {other} it",
        ),
        keys={"add": ("plan", "prepare"), "remove": ("remove", "delete"), "move": ("move", "change")},
    ),
}

RESIDUES = {"test": (0,), "dev": (1,), "train": (2, 3, 4, 5, 6, 7)}
"""Residues modulo 8 of the sum of a sentence's slot indices, by split.

Each sentence therefore belongs to one split, and all splits use the same frames and words.
"""


@dataclass(frozen=True)
class Sentence:
    """A sentence and its labels; `intent` is "scenario_action"."""

    text: str
    """Transcript in lower case without punctuation."""
    spoken: str
    """The same words with punctuation, as input of the synthesizer."""
    intent: str | None
    scenario: str | None


def intents() -> list[str]:
    """Return the twelve intents, in the order of the table."""
    return [f"{name}_{action}" for name, scenario in SCENARIOS.items() for action in scenario.keys]


def sentences(split: str, count: int, seed: int) -> list[Sentence]:
    """Draw `count` different sentences of a split, with the intents in turn.

    Sentence i has intent i mod 12. The frames of an intent are drawn equally often, in random
    order. The same arguments give the same sentences on every machine (PCG64).

    Raises:
        UserError: the split is unknown, or the grammar has fewer sentences in the split.
    """
    if split not in RESIDUES:
        raise unknown("split of the grammar", split, RESIDUES)
    rng = np.random.Generator(np.random.PCG64([seed, list(RESIDUES).index(split)]))
    number = len(intents())
    columns = []
    for index, intent in enumerate(intents()):
        wanted = len(range(index, count, number))
        pools = _list_texts(intent, split)
        frames = [rng.permutation(pools[i]).tolist() for i in rng.permutation(len(pools))]
        turns = [text for text in chain.from_iterable(zip_longest(*frames)) if text is not None]
        if wanted > len(turns):
            raise UserError(
                f"{count} {split} sentences ask for {wanted} of intent {intent!r}; the grammar has "
                f"{len(turns)}. Ask for fewer {split} utterances."
            )
        columns.append([_make_sentence(turns[i], intent) for i in rng.permutation(wanted)])
    return [columns[i % number][i // number] for i in range(count)]


def _make_sentence(spoken: str, intent: str) -> Sentence:
    return Sentence(spoken.replace(",", ""), spoken, intent, intent.partition("_")[0])


def _list_texts(intent: str, split: str) -> list[list[str]]:
    """Return all sentences of an intent that belong to `split`, one list per frame."""
    name, _, action = intent.partition("_")
    scenario = SCENARIOS[name]
    others = [key for rival, keys in scenario.keys.items() if rival != action for key in keys]
    slots = {**SLOTS, "key": scenario.keys[action], "other": others}
    return [list(_fill(frame, slots, RESIDUES[split])) for frame in scenario.frames]


def _fill(frame: str, slots: Slots, residues: Sequence[int]) -> Iterator[str]:
    names = [name for _, name, _, _ in Formatter().parse(frame) if name]
    for choice in product(*(range(len(slots[name])) for name in names)):
        if sum(choice) % 8 in residues:
            values = {name: slots[name][index] for name, index in zip(names, choice, strict=True)}
            if values.get("room") != values.get("other_room", ""):
                yield frame.format(**values)
