"""Detection and removal of loops: passages that an ASR model repeats although nobody said them again."""

import re
import unicodedata
import zlib
from collections.abc import Iterator
from typing import NamedTuple

MOST_COMPRESSION = 2.4
"""Length of a text by that of its zlib compression above which Whisper's recipe takes the text for a loop
(Radford et al. 2022, section 4.5). Three to ten copies of a sentence or phrase pass it, two do not."""
MOST_REPEATED_WORDS = 6
"""Number of words that people say again at once.

No passage repeats more in 549 thousand words of Shakespeare, Melville and Austen. The copies of "here sir",
said four times, and of "there she blows", said three times, have six.
"""
# Thai to Tibetan, Burmese, Khmer, kana, Chinese characters: scripts without spaces between words.
SPACELESS = r"\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
ASCII = {chr(code) for code in range(128)}
WORD = re.compile(rf"[{SPACELESS}]|[^\s{SPACELESS}]+")


class Repetition(NamedTuple):
    """Copies of a passage that follow the passage at once.

    Attributes:
        start: Position of the first character after the passage.
        end: Position of the first character after its last copy.
        words: Number of words in the copies.
    """

    start: int
    end: int
    words: int


def compression_ratio(text: str) -> float:
    """Return the number of characters of a text by the bytes of their zlib compression.

    This is Whisper's ratio for ASCII text. Whisper compresses UTF-8, in which the three bytes of every Tamil
    or Georgian letter begin alike, so that perfect transcripts have a ratio of 2.8 or 2.5. Here each
    character is one byte.
    """
    others = {char: 128 + at % 128 for at, char in enumerate(sorted(set(text) - ASCII))}
    content = bytes(others.get(char, ord(char) % 128) for char in text)
    return len(content) / len(zlib.compress(content))


def loops(text: str) -> bool:
    """Return whether a text compresses too well, or repeats more words at once than people do."""
    return compression_ratio(text) > MOST_COMPRESSION or _longest(text).words > MOST_REPEATED_WORDS


def cut_loops(text: str) -> str:
    """Return a text with one copy of each passage that loops.

    Text after a loop stays. A loop whose copies differ, such as one that counts, ends where the text before
    it begins to compress too well.
    """
    while (found := _longest(text)).words > MOST_REPEATED_WORDS:
        text = text[: found.start] + text[found.end :]
    while compression_ratio(text) > MOST_COMPRESSION:
        words = list(_words(text))
        text = text[: words[-1].start()].rstrip() if words else ""
    return text


def _longest(text: str) -> Repetition:
    """Return the repetition with the most words, the first of several; case and punctuation do not count."""
    places = list(_words(text))
    words = [place[0].casefold() for place in places]
    longest = Repetition(len(text), len(text), 0)
    for size in range(1, len(words) // 2 + 1):
        run = 0  # words up to here that equal the word `size` before them
        for at in range(size, len(words) + 1):
            if at < len(words) and words[at] == words[at - size]:
                run += 1
                continue
            # A loop that fills the decoder ends within a copy, which is no speech either.
            copies = run if at == len(words) and run >= size else run - run % size
            if copies > longest.words:
                first = at - run
                longest = Repetition(places[first - 1].end(), places[first + copies - 1].end(), copies)
            run = 0
    return longest


def _words(text: str) -> Iterator[re.Match[str]]:
    """Yield the words of a text; in scripts without spaces, each character is one."""
    # Marks are vowel signs in Indic scripts; the Python class \w lacks them.
    letters = "".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in text)
    return WORD.finditer(letters)
