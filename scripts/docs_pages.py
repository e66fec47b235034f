"""Pages of the documentation that are made from code and configs while the site is built.

`mkdocs.yml` names this file as a hook. Every folder of `conf/` becomes a page of `reference/config/`: its
choices, and the fields of the classes that they name. The page on the architecture gets the table of rooms,
and the home page the table of the README.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from griffe import Attribute, Class
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[1]
CONF = ROOT / "conf"
FOLDER = "reference/config"
COMMENT = re.compile(r"^(?P<key>\w+):\s*(?P<value>[^#]*?)\s*(?:#\s*(?P<comment>.*))?$")
ROOM_SENTENCES = {
    "storage": "What outlives a process: hashes, leased artifacts, shards, frame and token stores.",
    "data": "From corpus folders to manifests, audio and batches.",
    "training": "One way to train: trainer, callbacks, devices and processes.",
    "extractors": "Fixed models applied to one recording: pitch, transcripts, voices, phones, features.",
    "tokenizers": "Speech to codes and back, and encoding a manifest.",
    "metrics": "Numbers from signals, strings and codes, with intervals and tests.",
    "models": "The networks that are trained here: vocoders and probes. They see codes only.",
    "tasks": "What is measured, and the order of the steps.",
    "results": "Rows, tables, figures and the report; made from rows alone.",
    "jobs": "From a command line to jobs: build, check, price, run, watch, track.",
}
"""One sentence per room; the rooms and their order are those of `tests/test_layers.py`."""


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """Add the generated pages."""
    from mkdocs.structure.files import File

    for name, content in config_pages().items():
        files.append(File.generated(config, f"{FOLDER}/{name}.md", content=content))
    return files


def on_page_markdown(markdown: str, page: "Page", config: "MkDocsConfig", files: "Files") -> str:  # noqa: ARG001
    """Put the generated tables in the place of their marks."""
    if "<!-- rooms -->" in markdown:
        return markdown.replace("<!-- rooms -->", room_table())
    return markdown.replace("<!-- mini table -->", mini_table())


def rooms() -> tuple[str, ...]:
    """Return the rooms of the package from the ground up, as `tests/test_layers.py` holds them."""
    tree = ast.parse((ROOT / "tests" / "test_layers.py").read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "ROOMS":
            return tuple(ast.literal_eval(node.value))
    raise LookupError("tests/test_layers.py assigns no ROOMS")


def room_table() -> str:
    """Return the table of rooms, one line each.

    Raises: LookupError where a room has no sentence, or a sentence no room.
    """
    listed = rooms()
    if set(listed) != set(ROOM_SENTENCES):
        raise LookupError(f"ROOM_SENTENCES differs from ROOMS: {sorted(set(listed) ^ set(ROOM_SENTENCES))}")
    lines = ["| | room | modules | holds |", "| --: | --- | --: | --- |"]
    for place, room in enumerate(listed, 1):
        modules = [path for path in (ROOT / "benchmark" / room).rglob("*.py") if path.name != "__init__.py"]
        lines.append(f"| {place} | `{room}/` | {len(modules)} | {ROOM_SENTENCES[room]} |")
    return "\n".join(lines)


def mini_table() -> str:
    """Return the table of the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return text.split("<!-- mini table", 1)[1].split("-->\n", 1)[1].split("<!-- end of mini table", 1)[0]


def config_pages() -> dict[str, str]:
    """Return the pages of the config keys by name: one per group, and the index."""
    from griffe import load

    package = load("benchmark", search_paths=[str(ROOT)])
    groups = sorted(path for path in CONF.iterdir() if path.is_dir() and path.name != "hydra")
    pages = {group.name: group_page(group, group.name, package) for group in groups}
    pages["launcher"] = group_page(CONF / "hydra" / "launcher", "hydra/launcher", package)
    pages["index"] = index_page(sorted(set(pages) - {"launcher"}))
    return pages


def index_page(groups: list[str]) -> str:
    """Return the page of the keys of `conf/config.yaml` that are no group."""
    text = (CONF / "config.yaml").read_text(encoding="utf-8")
    parts = [
        "# Config keys",
        "Every key can be set on the command line, such as `seed=1` or `tokenizer.codebook_size=512`. "
        "`python -m benchmark … --cfg job` prints the whole config of a job without running it.",
        "## Keys outside groups",
        key_table(text, "none"),
        "## Groups",
        "A group is chosen by its name, such as `tokenizer=mimi`.",
        "\n".join(f"- [`{name}`]({name}.md)" for name in groups) + "\n- [`hydra/launcher`](launcher.md)",
    ]
    return "\n\n".join(parts) + "\n"


def key_table(text: str, otherwise: str) -> str:
    """Return the scalar keys of a YAML text with their values and comments; `otherwise` where it has none."""
    lines = ["| key | default | |", "| --- | --- | --- |"]
    for line in text.splitlines():
        match = COMMENT.match(line)
        if match and match["value"]:
            lines.append(
                f"| `{match['key']}` | `{_cell(match['value'])}` | {_prose(match['comment'] or '')} |"
            )
    return "\n".join(lines) if len(lines) > 2 else otherwise


@dataclass(frozen=True)
class Choice:
    """One YAML file of a group.

    Attributes:
        name: As on the command line.
        story: The comment at its top.
        text: The whole file.
    """

    name: str
    story: str
    text: str

    @property
    def targets(self) -> list[str]:
        """Dotted names of the classes of this package that it names, in order."""
        return [name for name in _targets(yaml.safe_load(self.text)) if name.startswith("benchmark.")]


def choices(folder: Path) -> list[Choice]:
    """Return the choices of a group; those of sub-folders are named by their path."""
    found = []
    for path in sorted(folder.rglob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        head = [line[1:].strip() for line in _head(text) if not line.startswith("# @package")]
        name = path.relative_to(folder).with_suffix("").as_posix()
        found.append(Choice(name, " ".join(head), text))
    return found


def group_page(folder: Path, name: str, package: Any) -> str:
    """Return the page of one group: its choices, then the keys of the classes behind them."""
    found = choices(folder)
    parts = [f"# `{name}`", "| choice | class | |\n| --- | --- | --- |"]
    for choice in found:
        target = f"`{choice.targets[0].rpartition('.')[2]}`" if choice.targets else ""
        parts[-1] += f"\n| `{name}={choice.name}` | {target} | {_prose(choice.story)} |"
    if name == "hydra/launcher":
        parts.insert(1, "[Use a cluster](../../how-to/clusters.md) says what each preset asks for.")
    seen = dict.fromkeys(target for choice in found for target in choice.targets)
    if not seen:
        parts += [f"## `{name}={choice.name}`\n\n```yaml\n{choice.text}```" for choice in found]
    for target in seen:
        parts += class_section(package[target.removeprefix("benchmark.")])
    return "\n\n".join(parts) + "\n"


def class_section(cls: "Class") -> list[str]:
    """Return the heading, the story and the table of fields of a class."""
    lines = ["| key | type | default | |", "| --- | --- | --- | --- |"]
    bases = [*reversed(cls.mro()), cls]
    told = {name: text for base in bases for name, text in _attributes(base).items()}
    for base in bases:
        for name, attribute in base.attributes.items():
            if not _is_key(name, attribute):
                continue
            story = attribute.docstring.value if attribute.docstring else told.get(name, "")
            kind, default = _cell(str(attribute.annotation)), _default(attribute.value)
            line = f"| `{name}` | `{kind}` | {default} | {_prose(story)} |"
            lines = [each for each in lines if not each.startswith(f"| `{name}` |")] + [line]
    story = cls.docstring.value.split("\n\n")[0] if cls.docstring else ""
    section = [f"## {cls.name}", f"`_target_: {cls.path}`", _prose(story)]
    return section + (["\n".join(lines)] if len(lines) > 2 else ["No keys."])


def _is_key(name: str, attribute: "Attribute") -> bool:
    """Return whether an attribute is a field that a YAML file may set."""
    is_field = "instance-attribute" in attribute.labels and attribute.annotation is not None
    return is_field and not name.startswith("_") and "init=False" not in str(attribute.value)


def _attributes(cls: "Class") -> dict[str, str]:
    """Return what the section "Attributes" of a docstring says, by name."""
    if cls.docstring is None:
        return {}
    sections = cls.docstring.parse("google", warnings=False)
    return {
        item.name: item.description
        for part in sections
        if part.kind.value == "attributes"
        for item in part.value
    }


def _default(value: object) -> str:
    text = "" if value is None else str(value)
    if text.startswith("field("):
        match = re.search(r"default(?:_factory)?=([^,()]+(?:\([^()]*\))?)", text)
        text = match[1] if match else ""
    return f"`{_cell(text)}`" if text else "required"


def _targets(content: Any) -> Iterator[str]:
    if isinstance(content, dict):
        if "_target_" in content:
            yield str(content["_target_"])
        for value in content.values():
            yield from _targets(value)
    elif isinstance(content, list):
        for value in content:
            yield from _targets(value)


def _head(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if not line.startswith("#"):
            return
        yield line


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _prose(text: str) -> str:
    """Return a text on one line, safe inside a table; code keeps its characters."""
    pieces = _cell(text).split("`")
    pieces[::2] = [re.sub(r"([*_\[\]])", r"\\\1", piece.replace("<", "&lt;")) for piece in pieces[::2]]
    return "`".join(pieces)
