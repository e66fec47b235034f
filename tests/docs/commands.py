"""Commands of the documentation: run in a scratch folder, or held to what exists without running."""

import io
import multiprocessing
import os
import re
import runpy
import shlex
import sys
import tomllib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from hydra._internal.hydra import Hydra
from hydra.core.global_hydra import GlobalHydra

from benchmark.jobs.compose import CONF, compose, open_hydra
from tests.docs.pages import ROOT

COMMANDS = (
    "run",
    "sweep",
    "plan",
    "doctor",
    "status",
    "report",
    "reproduction",
    "compare",
    "score",
    "data",
    "pairs",
    "catalogue",
)
WITHOUT_OVERRIDES = ("report", "reproduction", "compare", "data", "catalogue")
"""Commands whose arguments are not Hydra's."""
SCORE_KEYS = ("reference", "decoded", "text", "output")
"""Keys of the command `score`, which no config has."""
PROGRAMS = (["python", "-m", "benchmark"], ["speech-token-benchmark"])


def lines(content: str) -> list[list[str]]:
    """Return the words of every command in a console block; comments and `…` are left out."""
    text = re.sub(r"\\\n\s*", " ", content)
    split = (shlex.split(line, comments=True) for line in text.splitlines())
    return [[word for word in words if word != "…"] for words in split if words]


def arguments_of(words: list[str]) -> list[str] | None:
    """Return what follows the name of the program, also behind srun or torchrun; None for another program."""
    for program in PROGRAMS:
        for start in range(len(words)):
            if words[start : start + len(program)] == program:
                return words[start + len(program) :]
    return None


def split_command(arguments: list[str]) -> tuple[str, list[str]]:
    """Return the command and its arguments; `run` where an override or a flag comes first."""
    if arguments and arguments[0] in COMMANDS:
        return arguments[0], arguments[1:]
    return "run", arguments


class Shell:
    """A scratch folder in which the console blocks of one page run, with results in `results/`."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "CACHE": str(cache),
            "OMP_NUM_THREADS": "1",
            "PWD": str(folder),
        }
        self.environment.pop("RESULTS", None)

    def run(self, words: list[str]) -> tuple[int, str]:
        """Run one command; return its exit status and what it printed.

        Raises: ValueError for a command that is neither `export` nor the benchmark.
        """
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            expanded = value.replace("$PWD", str(self.folder))
            self.environment[name] = (
                os.pathsep.join([expanded, str(ROOT)]) if name == "PYTHONPATH" else expanded
            )
            return 0, ""
        arguments = arguments_of(words)
        if arguments is None:
            raise ValueError(f"only the benchmark and export are run, not {shlex.join(words)}")
        output = self.folder / ".output"
        context = multiprocessing.get_context("forkserver")
        process = context.Process(
            target=run_benchmark, args=(arguments, self.folder, self.environment, output)
        )
        process.start()
        process.join(800)
        assert process.exitcode is not None, f"still running after 800 s: {shlex.join(words)}"
        return process.exitcode, output.read_text(encoding="utf-8")


def run_benchmark(arguments: list[str], folder: Path, environment: dict[str, str], output: Path) -> None:
    """Be `python -m benchmark arguments` in a folder, with both streams written to `output`."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = environment["PYTHONPATH"].split(os.pathsep)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(file, stream)
    sys.stdout, sys.stderr = (io.TextIOWrapper(os.fdopen(n, "wb", 0), write_through=True) for n in (1, 2))
    sys.argv = ["benchmark", *arguments]
    runpy.run_module("benchmark", run_name="__main__", alter_sys=True)


def check(words: list[str], folder: Path) -> None:
    """Hold a command to what exists: its config keys compose, its make target, script or extra is there."""
    arguments = arguments_of(words)
    if arguments is not None:
        command, rest = split_command(arguments)
        if command == "score":
            rest = [word for word in rest if word.partition("=")[0] not in SCORE_KEYS]
        if command not in WITHOUT_OVERRIDES:
            check_overrides(rest, folder)
    elif words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        named = [word for word in words[1:] if "=" not in word]
        assert set(named) <= set(targets), f"no make target: {sorted(set(named) - set(targets))}"
    elif words[:2] == ["python", "-m"] and words[2].startswith(("benchmark", "scripts")):
        assert find_spec(words[2]) is not None, f"no module {words[2]}"
    elif "pip" in words:
        content = tomllib.loads((ROOT / "pyproject.toml").read_text())
        extras = content["project"]["optional-dependencies"]
        for named in re.findall(r"\[([\w,]+)\]", " ".join(words)):
            assert set(named.split(",")) <= set(extras), f"no extra among {named}"


def check_overrides(arguments: list[str], folder: Path) -> None:
    """Compose the first job of a command line, and look for the files of the other jobs' choices.

    Raises: HydraException for a key or a choice that does not exist.
    """
    overrides, config_dir, place = [], None, 0
    while place < len(arguments):
        word = arguments[place]
        if word in ("-cd", "--config-dir"):
            place += 1
            config_dir = folder / arguments[place]
        elif word.startswith("--") and word not in ("--help", "--measure"):
            place += 1
        elif not word.startswith("-"):
            overrides.append(word)
        place += 1
    firsts = []
    for override in overrides:
        group, _, value = override.partition("=")
        first, *others = [value] if value.startswith("[") else value.split(",")
        firsts.append(f"{group}={first}")
        for other in others if (CONF / group).is_dir() else []:
            found = [root / group / f"{other}.yaml" for root in (CONF, config_dir or CONF)]
            assert any(path.is_file() for path in found), f"no {group}={other}"
    compose_once(tuple(firsts), config_dir and str(config_dir))


@cache
def compose_once(overrides: tuple[str, ...], config_dir: str | None) -> None:
    """Compose a config, once for all pages that name it.

    Raises: HydraException for a key or a choice that does not exist.
    """
    compose(_kept_open(config_dir)[1], overrides)


@cache
def _kept_open(config_dir: str | None) -> tuple[object, Hydra]:
    """Return an open Hydra and what keeps it open: opening one takes as long as composing a config."""
    opened = open_hydra(config_dir)
    hydra = opened.__enter__()
    GlobalHydra.instance().clear()  # so that another one can be opened beside it
    return opened, hydra
