"""Config keys that have been renamed; an old key is refused with its new name before anything is built."""

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
    """Refuse overrides of renamed keys on a command line.

    Raises: UserError with the override as it must be written now.
    """
    for argument in arguments:
        found = OVERRIDE.fullmatch(argument)
        new = RENAMED.get(found["key"]) if found else None
        if found and new:
            raise UserError(
                f"{argument}: {found['key']} is called {new} now; write {new}{found['value'] or ''}"
            )


def refuse_renamed_keys(config: Mapping[Any, Any]) -> None:
    """Refuse renamed keys at the top level of a composed config, which a user's own yaml may set.

    Raises: UserError with the new name.
    """
    for old, new in RENAMED.items():
        if old in config:
            raise UserError(f"config: {old} is called {new} now; change it in the yaml that sets it")
