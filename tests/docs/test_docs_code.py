"""Every code block of README.md and docs/ runs, or is held to what exists and says why it does not run."""

import multiprocessing
import re
from pathlib import Path

import pytest
import yaml

from tests.docs.commands import Shell, check, lines
from tests.docs.pages import PAGES, ROOT, Block, blocks

NAMES = [str(page.relative_to(ROOT)) for page in PAGES if blocks(page)]


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Artifacts that all pages share, as the commands of one reader would."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(["tests.docs.preload"])
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings(r"ignore:\s*'hydra/launcher:UserWarning")
def test_code_of_a_page(name: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    reader = Reader(Shell(tmp_path, cache))
    for block in blocks(ROOT / name):
        try:
            reader.read(block)
        except Exception as error:
            raise AssertionError(f"{block.place}: {type(error).__name__}: {error}") from error


class Reader:
    """Goes through the blocks of one page as their marks say."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.namespace: dict[str, object] = {"__name__": "__page__"}
        self.printed = ""

    def read(self, block: Block) -> None:
        """Run, write or check one block.

        Raises: AssertionError for a block that is not what the page says; whatever the block raises.
        """
        if block.language == "text" and not block.mark:
            return
        assert block.is_marked, f"needs a mark such as <!-- run --> above, not {block.mark!r}"
        if block.file is not None:
            self._write(block, block.file)
        elif block.mark == "output":
            assert_printed(block.content, self.printed)
        elif block.mark.startswith("run"):
            self._run(block)
        else:
            self._check(block)

    def _write(self, block: Block, file: str) -> None:
        path = self.shell.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.content, encoding="utf-8")
        if path.suffix == ".py":
            compile(block.content, file, "exec")

    def _run(self, block: Block) -> None:
        if block.language == "python":
            exec(compile(block.content, block.place, "exec"), self.namespace)
            return
        assert block.language == "console", f"a block of {block.language} cannot be run"
        commands = lines(block.content)
        for place, words in enumerate(commands, 1):
            status, self.printed = self.shell.run(words)
            fails = block.mark == "run, fails" and place == len(commands)
            assert (status != 0) is fails, f"status {status} of {' '.join(words)}\n{self.printed[-3000:]}"

    def _check(self, block: Block) -> None:
        if block.language == "python":
            compile(block.content, block.place, "exec")
        elif block.language == "yaml":
            assert yaml.safe_load(block.content)
        elif block.language == "console":
            for words in lines(block.content):
                check(words, self.shell.folder)


def assert_printed(expected: str, printed: str) -> None:
    """Hold an output block to what was printed; `…` in a line stands for anything."""
    rest = " ".join(printed.split())
    for line in expected.splitlines():
        for part in filter(None, (" ".join(piece.split()) for piece in line.split("…"))):
            assert part in rest, f"{part!r} was not printed:\n{printed[-3000:]}"


def test_readme_is_short() -> None:
    assert (ROOT / "README.md").read_text(encoding="utf-8").count("\n") <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_names_no_machine(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.search(r"(?<!\w)/(home|root|work)/", text) is None


def test_what_is_not_printed_is_noticed() -> None:
    assert_printed("done … seconds", "all is done\nin 3   seconds")
    with pytest.raises(AssertionError, match="was not printed"):
        assert_printed("done", "failed")


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ("```console\nls\n```", "needs a mark"),
        ("<!-- run -->\n```console\nls\n```", "only the benchmark"),
        ("<!-- run -->\n```python\n1 / 0\n```", "division"),
        ("<!-- not run: no GPU -->\n```console\npython -m benchmark tokeniser=mimi\n```", "tokeniser"),
        ("<!-- not run: no GPU -->\n```console\nmake reproduce-tables\n```", "no make target"),
        ("<!-- output -->\n```text\nhello\n```", "was not printed"),
        ("<!-- runs -->\n```python\n```", "needs a mark"),
    ],
)
def test_a_wrong_block_is_noticed(tmp_path: Path, block: str, words: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(block)
    reader = Reader(Shell(tmp_path, tmp_path))
    with pytest.raises(Exception, match=words):
        for found in blocks(page):
            reader.read(found)
