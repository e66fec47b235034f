"""Syntax of the yaml files in a folder of the user's own, checked before Hydra reads them."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import yaml

from benchmark.errors import UserError
from benchmark.jobs.compose import CONF

FLAGS = ("-cd", "--config-dir")


def refuse_broken_yamls(arguments: Sequence[str]) -> None:
    """Check every yaml that lies in a config group of the folders given by --config-dir.

    Hydra would show the parser's traceback.

    Raises: UserError with the file, the line and the parser's words, or for a file that cannot be read.
    """
    for path in (path for folder in _folders(arguments) for path in _yamls(folder)):
        try:
            yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
            raise UserError(
                f"{path}{place}: {error.problem or error.context}. Mend the indentation and the quotes there"
            ) from None
        except OSError as error:
            raise UserError(
                f"{path} cannot be read: {error.strerror}. Mend or remove it, or name another --config-dir"
            ) from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise UserError(
                f"{path} is not text in UTF-8: {' '.join(str(error).split())}. Save it in that encoding"
            ) from None


def _folders(arguments: Sequence[str]) -> Iterator[Path]:
    """Yield the folders after --config-dir, in either way of writing it."""
    for argument, following in pairwise([*arguments, ""]):
        name, equals, value = argument.partition("=")
        if name in FLAGS and (equals or following):
            yield Path(value if equals else following).expanduser()


def _yamls(folder: Path) -> Iterator[Path]:
    """Yield the yaml files of the config groups in a folder; the rest of the folder may be anything."""
    for group in sorted(path.name for path in CONF.iterdir() if path.is_dir()):
        yield from sorted((folder / group).rglob("*.yaml"))
