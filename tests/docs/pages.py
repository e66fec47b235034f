"""The code blocks of README.md and docs/, each with the mark that says what a test does with it.

A mark is an HTML comment right above a block:

* `run`: the block is run, Python in one namespace for the whole page, console commands one after another.
* `run, fails`: its last command must end with another status than 0.
* `file: NAME`: the block is the content of a file that later blocks of the page use.
* `output`: every line of the block is among what the last command printed; `…` stands for anything.
* `not run: REASON`: the block is only checked: commands and config keys exist, Python and YAML parse.

Blocks of the language `text` need no mark.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
MARK = re.compile(r"<!--\s*(run|run, fails|output|file: (?P<file>\S+)|not run: (?P<reason>.+?))\s*-->")


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes:
        place: Page and line, for messages.
        language: The word behind the fence.
        mark: The comment above, without its dashes; empty where there is none.
        content: The lines between the fences.
    """

    place: str
    language: str
    mark: str
    content: str

    @property
    def file(self) -> str | None:
        """Path of the file that the block is the content of."""
        match = MARK.fullmatch(f"<!-- {self.mark} -->")
        return match["file"] if match else None

    @property
    def is_marked(self) -> bool:
        """Whether the mark is one of those that this module knows."""
        return MARK.fullmatch(f"<!-- {self.mark} -->") is not None


def blocks(page: Path) -> list[Block]:
    """Return every fenced block of a page, in order."""
    found, mark = [], ""
    for token in MarkdownIt("commonmark").parse(page.read_text(encoding="utf-8")):
        if token.type == "html_block":
            mark = token.content.strip().removeprefix("<!--").removesuffix("-->").strip()
        elif token.type == "fence":
            assert token.map is not None
            place = f"{page.name}:{token.map[0] + 1}"
            found.append(Block(place, token.info.strip(), mark, token.content))
            mark = ""
        else:
            mark = ""
    return found
