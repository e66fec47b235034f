"""Config keys and options that have been renamed; an old name is refused with the new one at once."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from benchmark.errors import UserError

RENAMED = {
    "shard": "part",
    "bootstrap": "interval_unit",
    "usual_probe": "default_probe",
    "task.usual": "task.default_preset",
}
"""New name by old name, each as written on the command line."""
DIVIDED = {
    "threads": "workers (processes that score a job, which change no number) and "
    "trainer.threads (of a training on a CPU, part of its key)",
}
"""New names, with what each means, by old name."""
MOVED_METRIC = re.compile(r"\b(versa|codec_superb|dnsmos)_(\w+)")
"""Options of `metric` that have moved into a sub-group: `versa_pesq` is chosen as `versa/pesq`."""
OVERRIDE = re.compile(r"[+~]*(?P<key>[\w./@-]+)(?P<value>=.*)?", re.DOTALL)


def refuse_renamed_overrides(arguments: Iterable[str]) -> None:
    """Refuse overrides of renamed keys, and renamed options, on a command line.

    Raises: UserError with the override as it must be written now.
    """
    for argument in arguments:
        found = OVERRIDE.fullmatch(argument)
        new = RENAMED.get(found["key"]) if found else None
        if found and new:
            raise UserError(
                f"{argument}: {found['key']} is called {new} now; write {new}{found['value'] or ''}"
            )
        if found and found["key"] in DIVIDED:
            raise UserError(f"{argument}: {found['key']} is divided now; write {DIVIDED[found['key']]}")
        value = (found["value"] or "") if found and found["key"] == "metric" else ""
        if old := MOVED_METRIC.search(value):
            written = MOVED_METRIC.sub(r"\1/\2", value)
            raise UserError(f"{argument}: {old[0]} is chosen as {old[1]}/{old[2]} now; write metric{written}")


def refuse_renamed_keys(config: Mapping[Any, Any]) -> None:
    """Refuse renamed keys at the top level of a composed config, which a user's own yaml may set.

    Raises: UserError with the new name.
    """
    for old, new in RENAMED.items():
        if old in config:
            raise UserError(f"config: {old} is called {new} now; change it in the yaml that sets it")
    for old, several in DIVIDED.items():
        if old in config:
            raise UserError(f"config: {old} is divided now; set {several} in the yaml that sets it")
