"""The structure, held: imports between rooms go one way, files stay small, Hydra stays at the edge."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "benchmark"
LOOSE = ("errors", "types")
ROOMS = (
    "storage",
    "data",
    "training",
    "extractors",
    "tokenizers",
    "metrics",
    "models",
    "tasks",
    "results",
    "jobs",
)
"""From the ground up: a room may import itself, the rooms before it, and the loose modules."""
DOOR = "__main__"
NEVER = {
    "models": {"tokenizers"},  # networks see codes and a TokenizerSpec
    "results": {"training", "extractors", "tokenizers", "models", "tasks"},  # tables are made from rows alone
}
"""Rooms that another one does not import although it stands above them."""
KNOWS_HYDRA = {"jobs", DOOR}
LINES, MEDIAN = 300, 120

OLDER = PACKAGE / "results" / "older_rows.py"
UNDECLARED = {
    *("reconstruction", "voice_conversion", "codebook_usage", "speed"),
    *("asr_probe", "intent_probe", "phone_probe", "ctc_ablation"),
}
"""Tasks that wrote rows before tasks declared anything, which `OLDER` reads."""
FILES = sorted(PACKAGE.rglob("*.py"))
ORDER = (*LOOSE, *ROOMS, DOOR)


def room(path: Path) -> str:
    """The room of a file, or its own name where it stands in none."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Dotted names of all that a file imports, at its top or inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            whole = node.module == PACKAGE.name  # `from benchmark import jobs` names the room in the list
            names |= {f"{node.module}.{alias.name}" for alias in node.names} if whole else {node.module}
    return names


def illegal(own: str, used: set[str]) -> set[str]:
    """The rooms among `used` that the room `own` must not import."""
    legal = set(ORDER[: ORDER.index(own) + 1]) if own in ORDER else set()
    return used - (legal - NEVER.get(own, set()))


def rooms_used(path: Path) -> set[str]:
    """The rooms and loose modules of this package that a file imports."""
    return {name.split(".")[1] for name in imported(path) if name.startswith(f"{PACKAGE.name}.")}


def test_every_module_stands_in_a_room() -> None:
    found = {room(path) for path in FILES} - {"__init__"}
    assert found == set(ORDER), f"rooms differ from the list: {sorted(found ^ set(ORDER))}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    if path == PACKAGE / "__init__.py":  # held by a test of its own below
        return
    wrong = illegal(room(path), rooms_used(path))
    assert not wrong, f"{path.relative_to(PACKAGE)} may not import {sorted(wrong)}"


def test_a_turned_import_is_noticed() -> None:
    assert illegal("storage", {"errors", "storage"}) == set()
    assert illegal("storage", {"data"}) == {"data"}
    assert illegal("models", {"tokenizers", "data"}) == {"tokenizers"}
    assert illegal("attic", {"errors"}) == {"errors"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_hydra_stays_at_the_edge(path: Path) -> None:
    used = {name.split(".")[0] for name in imported(path)} & {"hydra", "omegaconf"}
    assert not used or room(path) in KNOWS_HYDRA


def test_nothing_is_unpickled() -> None:
    """What other processes or people send is text, arrays or safetensors."""
    for path in FILES:
        modules = {name.split(".")[0] for name in imported(path)}
        assert not modules & {"pickle", "cloudpickle", "dill", "shelve", "marshal"}, path


def test_files_are_short_and_init_files_empty() -> None:
    lengths = []
    for path in FILES:
        lines = path.read_text().count("\n")
        assert lines <= LINES, f"{path} has {lines} lines"
        assert path.name != "__init__.py" or lines == 0 or path.parent == PACKAGE, f"{path} is not empty"
        lengths += [lines] if path.name != "__init__.py" else []
    assert sorted(lengths)[len(lengths) // 2] <= MEDIAN


def words(path: Path) -> set[str]:
    """All strings of a file but its docstrings and other bare ones."""
    tree = ast.parse(path.read_text())
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return {node.value for node in constants if isinstance(node.value, str) and id(node) not in bare}


def test_only_tasks_know_the_tasks() -> None:
    """A task declares its table, its metrics, its artifacts and its costs: no list elsewhere names it."""
    tasks = {path.stem for path in (PACKAGE.parent / "conf" / "task").glob("*.yaml")}
    elsewhere = {path: words(path) & tasks for path in FILES if room(path) != "tasks" and path != OLDER}
    assert {str(path): names for path, names in elsewhere.items() if names} == {}
    assert words(OLDER) & tasks == UNDECLARED < tasks


def test_the_package_itself_only_chooses_the_instruction_set_and_the_threads_of_tokenizers() -> None:
    """What must precede every import of a numerical library, and nothing else."""
    statements = ast.parse((PACKAGE / "__init__.py").read_text()).body[1:]
    assert [ast.unparse(statement) for statement in statements] == [
        "import os",
        "from benchmark.training.cpu_instructions import use_avx2",
        "os.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')",
        "use_avx2()",
    ]
