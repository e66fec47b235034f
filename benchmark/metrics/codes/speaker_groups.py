"""Groups of speakers, of which statistics over all codes leave out one at a time."""

GROUPS = 40
"""Largest number of groups: it bounds memory and time, and few intervals narrow beyond it."""


class SpeakerGroups:
    """Numbers of the speakers in the order in which they come; beyond `GROUPS`, speakers share a number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(self, speaker: str) -> int:
        """Return the group of a speaker."""
        return self._numbers.setdefault(speaker, len(self._numbers) % GROUPS)

    def __len__(self) -> int:
        """Return the number of groups that have a speaker."""
        return min(len(self._numbers), GROUPS)
