"""The language, held: docstrings say what is done, and begin with it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted([*ROOT.glob("benchmark/**/*.py"), *ROOT.glob("scripts/**/*.py")])
BANNED = re.compile(r"(Of|What|Whether|As|Where|How|Who|By)\b")
"""Openings after which a stranger does not know what a function does: docs/contributing/style.md."""


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of every docstring of a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        documented = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if documented and (text := ast.get_docstring(node)):
            yield getattr(node, "lineno", 1), text


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_docstring_begins_with_a_banned_word(path: Path) -> None:
    found = [f"line {line}: {text.splitlines()[0]}" for line, text in docstrings(path) if BANNED.match(text)]
    assert not found, "\n".join(found)
