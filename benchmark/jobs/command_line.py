"""Commands of the program and their help; libraries that only some commands need are not imported here."""

import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from benchmark.errors import UserError, unknown
from benchmark.jobs.commands.parser import PROGRAM
from benchmark.jobs.own_yamls import refuse_broken_yamls
from benchmark.jobs.renamed_keys import refuse_renamed_overrides
from benchmark.jobs.settings import refuse_several

USAGE = 2
"""Exit status after a command line that cannot be understood."""


@dataclass(frozen=True)
class Command:
    """A command of the program, such as `run` or `doctor`.

    Attributes:
        summary: One line of help.
        example: Arguments that make sense together.
        has_default: True if the command can be given without arguments.
        takes_overrides: True if the arguments are Hydra overrides.
    """

    summary: str
    example: str
    has_default: bool = False
    takes_overrides: bool = True


COMMANDS = {
    "run": Command(
        "run one job; without arguments the default one (the word itself may be left out)",
        "tokenizer=mel_rvq task=reconstruction",
        has_default=True,
    ),
    "sweep": Command(
        "run every combination of comma lists, or an experiment (run -m)",
        "tokenizer=mel_rvq,opus_6k task=reconstruction,codebook_usage",
    ),
    "plan": Command("say what a sweep costs before it starts: hours, disk", "experiment=mini --workers 2"),
    "doctor": Command(
        "say what a run or sweep would miss on this machine",
        "-m tokenizer=mimi,snac_24khz task=reconstruction",
        has_default=True,
    ),
    "check": Command(
        "check that a tokenizer keeps the contract: shape, range, rate, batches, decoding",
        "--config-dir . tokenizer=my_codec",
    ),
    "status": Command("say which jobs are done, missing, stale or failed, and why", "experiment=mini"),
    "report": Command(
        "write tables, figures and report.html again from the rows", "results/mini", takes_overrides=False
    ),
    "reproduction": Command(
        "show published numbers beside ours: difference, tolerance, verdict",
        "results/survey source=survey,llasa",
        has_default=True,
        takes_overrides=False,
    ),
    "compare": Command(
        "compare two tokenizers or two results folders pair by pair",
        "mel_rvq whisper_kmeans --results results/mini",
        takes_overrides=False,
    ),
    "score": Command(
        "score recordings that exist already against their originals",
        "reference=originals decoded=mine metric=[pesq,stoi,dwer]",
    ),
    "data": Command(
        "download, check and unpack a corpus", "librispeech /data --subsets test-clean", takes_overrides=False
    ),
    "pairs": Command("write the list of voice conversion pairs", "dataset=libritts --output pairs.csv"),
    "catalogue": Command(
        "print the facts of all tokenizers, or of all metrics", "tokenizers", takes_overrides=False
    ),
}
APPLICATION = ("run", "sweep")
"""Commands that the Hydra application runs."""
COMPLETION = ("-sc", "--shell-completion")
HELP = ("-h", "--help")

Application = Callable[[], object]


def main(arguments: Sequence[str], application: Application) -> int:
    """Run a command line and return its exit status.

    Args:
        arguments: Words after the name of the program.
        application: The Hydra application that runs jobs. It reads `sys.argv`.
    """
    if not arguments or list(arguments) in [[flag] for flag in HELP]:
        sys.stdout.write(overview())
        return 0 if arguments else USAGE
    if arguments[0] in COMPLETION:
        return _complete(arguments, application)
    name, rest = "run", list(arguments)
    if not is_override(arguments[0]):
        name, *rest = arguments
    try:
        if name not in COMMANDS:
            raise unknown("command", name, COMMANDS)
        if COMMANDS[name].takes_overrides:
            refuse_renamed_overrides(rest)
            refuse_several(rest)
            refuse_broken_yamls(rest)
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return USAGE
    if not rest and not COMMANDS[name].has_default:
        sys.stdout.write(short_help(name))
        return USAGE
    if name in APPLICATION:
        sys.argv[1:] = ["--multirun", *rest] if name == "sweep" else rest or ["--run"]
        application()
        return 0
    try:
        return int(import_module(f"benchmark.jobs.commands.{name}").main(rest))
    except UserError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1


def is_override(word: str) -> bool:
    """Return whether a first word is a Hydra override or flag, not the name of a command."""
    return "=" in word or word.startswith(("-", "+", "~"))


def overview() -> str:
    """Return the help of the program."""
    width = max(map(len, COMMANDS))
    return "\n".join(
        [
            f"usage: {PROGRAM} [command] [arguments]",
            f"       {PROGRAM} tokenizer=… task=… [name=value …]",
            "",
            "Measure discrete speech tokens: reconstruction, voice conversion and probes.",
            "",
            "commands:",
            *(f"  {name:{width}}  {command.summary}" for name, command in COMMANDS.items()),
            "",
            "examples:",
            *(f"  {PROGRAM} {name} {command.example}" for name, command in COMMANDS.items()),
            "",
            "more:",
            "  <command> --help   its arguments; run --help lists all tokenizers, tasks, datasets, metrics",
            "  run … --cfg job    prints the whole config of a job, and runs nothing",
            f'  eval "$({PROGRAM} -sc install=bash)"   completes commands, groups and values at <tab>',
            "                     (also zsh and fish, but not for `python -m benchmark`)",
            "",
        ]
    )


def short_help(name: str) -> str:
    """Return the message of a command that needs arguments and was given none."""
    summary, example = COMMANDS[name].summary, COMMANDS[name].example
    return (
        f"usage: {PROGRAM} {name} <arguments>\n\n{summary[0].upper()}{summary[1:]}.\n\n"
        f"  {PROGRAM} {name} {example}\n\n{PROGRAM} {name} --help says more.\n"
    )


def _complete(arguments: Sequence[str], application: Application) -> int:
    """Answer the shell's request to complete the line that is being typed, and return the exit status.

    Names of commands are completed here. Overrides are completed by Hydra, which knows no commands, so the
    command is removed from the line first. The shell passes the line in the variable COMP_LINE.
    """
    line = os.environ.get("COMP_LINE", "")
    typed = re.match(r"(?P<program>\s*\S+\s+)(?P<first>\S*)(?P<rest>.*)", line, re.DOTALL)
    if typed and arguments[1:] and arguments[1].startswith("query="):
        first, rest = typed["first"], typed["rest"]
        if not rest:
            sys.stdout.write("".join(f"{name}\n" for name in COMMANDS if name.startswith(first)))
        elif first in COMMANDS:
            if not COMMANDS[first].takes_overrides:
                return 0  # the shell then offers files
            os.environ["COMP_LINE"] = typed["program"] + rest.lstrip()
    sys.argv[1:] = arguments
    application()
    return 0
