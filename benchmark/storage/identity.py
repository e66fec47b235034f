"""Names of classes and configurations in cache keys, independent of the files that define them."""

from dataclasses import fields, is_dataclass
from typing import Any

from benchmark.errors import UserError

PACKAGE = "benchmark."
_CLAIMED: dict[str, tuple[str, str]] = {}
"""Module and qualified name of the class behind every uid that this process has met."""


def uid_of(kind: type) -> str:
    """Return the name of a class in keys, which does not change when its file moves.

    The name is the class's own attribute `uid`. Without that attribute, a class of this package is named by
    its qualified name, and any other class by its module and qualified name.

    Raises:
        UserError: another class has the same uid, so that their keys could not be told apart.
    """
    place = kind.__module__, kind.__qualname__
    default = place[1] if place[0].startswith(PACKAGE) else ".".join(place)
    uid: str = vars(kind).get("uid", default)
    claimed = _CLAIMED.setdefault(uid, place)
    if claimed != place:
        raise UserError(
            f"uid {uid!r} names two classes, {'.'.join(claimed)} and {'.'.join(place)}: results of one would "
            "count as those of the other. Give one of them another `uid: ClassVar[str]`"
        )
    return uid


KEY_UNLESS_DEFAULT = {"key": "unless default"}
"""Metadata of a dataclass field added after results existed: `field(default=..., metadata=...)`.

Artifacts older than the field were made with its default, and stay valid.
"""


def describe(config: Any) -> Any:
    """Return a config dataclass as JSON-able content for a key: its class and, recursively, its fields.

    A field with the metadata `KEY_UNLESS_DEFAULT` is left out while it holds its default.
    """
    if is_dataclass(config) and not isinstance(config, type):
        content = {"class": uid_of(type(config))}
        for item in fields(config):
            value = describe(getattr(config, item.name))
            if item.metadata != KEY_UNLESS_DEFAULT or value != describe(item.default):
                content[item.name] = value
        return content
    if isinstance(config, dict):
        return {str(name): describe(value) for name, value in config.items()}
    if isinstance(config, (list, tuple)):
        return [describe(value) for value in config]
    return config
