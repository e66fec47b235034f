"""A transcript with remarks on how it came about, and its form as one text in caches and logs."""

from collections.abc import Iterable
from typing import NamedTuple

UNIT_SEPARATOR = "\x1f"
"""Control character that no transcript holds."""


class Heard(NamedTuple):
    """A transcript of one recording.

    Attributes:
        text: The words, in the engine's spelling.
        remarks: Events that shaped the text, in words that complete "3 of 60 transcripts …".
    """

    text: str
    remarks: tuple[str, ...] = ()

    def pack(self) -> str:
        """Return text and remarks as one text; without remarks it is the text itself."""
        return UNIT_SEPARATOR.join([self.text.replace(UNIT_SEPARATOR, " "), *self.remarks])

    @classmethod
    def unpack(cls, packed: str) -> "Heard":
        """Return what `pack` packed."""
        text, *remarks = packed.split(UNIT_SEPARATOR)
        return cls(text, tuple(remarks))

    @classmethod
    def join(cls, parts: Iterable["Heard"]) -> "Heard":
        """Return the transcript of a recording whose parts were transcribed, with each remark once."""
        parts = list(parts)
        texts = [part.text.strip() for part in parts]
        remarks = dict.fromkeys(remark for part in parts for remark in part.remarks)
        return cls(" ".join(text for text in texts if text), tuple(remarks))
