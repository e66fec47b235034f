"""The structure, held: imports go one way, files stay small, Hydra stays at the edge."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "benchmark"

# A module may import from its own layer's package and from layers above it in this list.
LAYERS: dict[str, set[str]] = {
    "arithmetic": set(),
    "errors": set(),
    "disk": {"errors"},
    "types": set(),
    "lease": set(),
    "artifacts": {"errors", "lease"},
    "id_table": set(),
    "overview": {"artifacts"},
    "frames": {"errors", "artifacts", "id_table"},
    "checkpoints": {"errors", "artifacts"},
    "distributed": set(),
    "budget": set(),
    "callbacks": {"artifacts"},
    "encoders": {"errors", "checkpoints"},
    "data": {"errors", "types", "artifacts", "distributed", "id_table", "lease"},
    "alignment": {"errors", "types", "artifacts", "checkpoints", "encoders", "data"},
    "metrics": {"errors", "types", "artifacts", "checkpoints", "data"},
    "evaluation": {"errors", "types", "artifacts", "data", "frames", "metrics"},
    "tokenizers": {"errors", "types", "artifacts", "checkpoints", "encoders", "data"},
    "tokens": {"errors", "types", "artifacts", "frames", "data", "tokenizers"},
    "world": {"errors"},
    "heartbeat": set(),
    "ranks": {"errors", "world", "heartbeat"},
    "strategy": {"errors", "world"},
    "training": {"errors", "artifacts", "callbacks", "budget", "world", "ranks", "strategy"},
    "trained": {"errors", "artifacts", "ranks", "training"},
    "vocoder": {
        "errors", "types", "artifacts", "checkpoints", "encoders", "frames", "data", "metrics", "tokens",
        "training", "distributed", "callbacks", "budget",
    },
    "probes": {
        "errors", "types", "artifacts", "id_table", "data", "metrics", "tokens", "training", "trained",
        "distributed", "callbacks",
    },
    "tasks": {
        "errors", "types", "artifacts", "frames", "data", "alignment", "metrics", "evaluation", "tokenizers",
        "tokens", "vocoder", "probes", "training", "trained",
    },
    "results": {"errors", "types", "artifacts"},
    "report": {"errors", "types", "artifacts", "results", "metrics"},
}  # fmt: skip
EDGE = {
    "build", "cost", "job", "stages", "launchers", "tracking", "wandb_tracker", "sweep", "status",
    "preflight", "plan", "hub", "needs", "doctor", "metric_sheet", "tokenizer_sheet", "__main__",
}  # fmt: skip
HYDRA_AT = EDGE - {"job", "stages", "tracking", "wandb_tracker", "hub", "needs"}

FILES = sorted(PACKAGE.rglob("*.py"))


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    own = layer(path)
    if own in EDGE or own == "__init__":
        return
    used = {name.split(".")[1] for name in imported(path) if name.startswith("benchmark.")}
    illegal = used - LAYERS[own] - {own}
    assert not illegal, f"{path.relative_to(PACKAGE)} may not import {sorted(illegal)}"


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_hydra_stays_at_the_edge(path: Path) -> None:
    used = {name.split(".")[0] for name in imported(path)} & {"hydra", "omegaconf"}
    assert not used or layer(path) in HYDRA_AT


def test_nothing_is_unpickled() -> None:
    """What other processes or people send is text, arrays or safetensors."""
    for path in FILES:
        modules = {name.split(".")[0] for name in imported(path)}
        assert not modules & {"pickle", "cloudpickle", "dill", "shelve", "marshal"}, path


def test_vocoder_and_probes_never_see_a_tokenizer() -> None:
    for path in FILES:
        if layer(path) in ("vocoder", "probes"):
            assert not any(name.startswith("benchmark.tokenizers") for name in imported(path)), path


def test_files_are_short_and_init_files_empty() -> None:
    for path in FILES:
        lines = path.read_text().count("\n")
        assert lines <= 300, f"{path} has {lines} lines"
        assert path.name != "__init__.py" or lines == 0 or path.parent == PACKAGE, f"{path} is not empty"


def test_the_package_itself_only_settles_the_arithmetic() -> None:
    """What must precede every import of a numerical library, and nothing else."""
    statements = ast.parse((PACKAGE / "__init__.py").read_text()).body[1:]
    assert [ast.unparse(statement) for statement in statements] == [
        "from benchmark.arithmetic import use_avx2",
        "use_avx2()",
    ]
