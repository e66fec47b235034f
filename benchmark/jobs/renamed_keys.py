"""Names that configs no longer have, each answered with its new one before anything is made."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from benchmark.errors import UserError

RENAMED = {
    "shard": "part",
    "usual_probe": "default_probe",
    "task.usual": "task.default_preset",
}
"""New name by old name, each as written on the command line."""
OVERRIDE = re.compile(r"[+~]*(?P<key>[\w./@-]+)(?P<value>=.*)?", re.DOTALL)


def refuse_renamed_overrides(arguments: Iterable[str]) -> None:
    """Look for old names on a command line.

    Raises: UserError with the override as it is written today.
    """
    for argument in arguments:
        found = OVERRIDE.fullmatch(argument)
        new = RENAMED.get(found["key"]) if found else None
        if found and new:
            raise UserError(
                f"{argument}: {found['key']} is called {new} now; write {new}{found['value'] or ''}"
            )


def refuse_renamed_keys(config: Mapping[Any, Any]) -> None:
    """Look for old names at the top of a composed config, where a yaml of the user's may have put them.

    Raises: UserError with the new name.
    """
    for old, new in RENAMED.items():
        if old in config:
            raise UserError(f"config: {old} is called {new} now; change it in the yaml that sets it")
