"""The command line as tests call it, in their own process."""

from collections.abc import Iterable

from benchmark.__main__ import main as application
from benchmark.jobs import command_line


def door(command: str, arguments: Iterable[str] = ()) -> int:
    """Exit status of a command."""
    return command_line.main([command, *arguments], application)
