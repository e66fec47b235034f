"""Published lists of prompts, such as utt2prompt: lines of an utterance's id and the id of its prompt."""

from collections import Counter
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import NamedTuple


class PromptList(NamedTuple):
    """The lines of a list in its order."""

    pairs: list[tuple[str, str]]
    """Utterance and prompt, of each line with two ids."""
    malformed: list[str]
    """Lines without exactly two ids."""

    @property
    def repeated(self) -> list[str]:
        """Utterances that have several lines."""
        return [name for name, count in Counter(name for name, _ in self.pairs).items() if count > 1]

    @property
    def self_prompted(self) -> list[str]:
        """Utterances that are their own prompts."""
        return [name for name, prompt in self.pairs if name == prompt]

    def damage(self, known: AbstractSet[str], place: str) -> dict[str, list[str]]:
        """Return the lines and ids at fault by the kind of damage; kinds without any are absent.

        Args:
            known: Ids of the recordings that the list may name.
            place: Description of these recordings for the message, such as "test-clean".
        """
        faults = {
            "not two ids": self.malformed,
            "listed twice": self.repeated,
            f"not in {place}": sorted({name for pair in self.pairs for name in pair} - known),
        }
        return {kind: found for kind, found in faults.items() if found}


def parse_prompt_list(text: str) -> PromptList:
    """Parse lines of two ids with white space between them; empty lines are skipped."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    return PromptList(
        [(fields[0], fields[1]) for fields in lines if len(fields) == 2],
        [" ".join(fields) for fields in lines if len(fields) != 2],
    )


def read_prompt_list(path: Path) -> PromptList:
    """Read a list from a file in UTF-8.

    Raises:
        OSError: the file cannot be read.
        UnicodeDecodeError: the file is not text.
    """
    return parse_prompt_list(path.read_text(encoding="utf-8-sig"))
