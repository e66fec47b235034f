"""What keys call classes and configurations, wherever their files lie."""

from dataclasses import fields, is_dataclass
from typing import Any

from benchmark.errors import UserError

PACKAGE = "benchmark."
_CLAIMED: dict[str, tuple[str, str]] = {}
"""Module and qualified name of the class behind every uid that this process has met."""


def uid_of(kind: type) -> str:
    """Return the name that keys call a class by, which a move of its file does not change.

    This is the class's own attribute `uid`. Without one, a class of this package is called by its qualified
    name, and one from elsewhere by its module and qualified name.

    Raises:
        UserError: another class has the same uid, so that one would be taken for the other.
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
"""Metadata of a dataclass field that came later than results: `field(default=..., metadata=...)`.

What was made before the field existed was made with its default, and stays valid.
"""


def describe(config: Any) -> Any:
    """A config dataclass as JSON-able content for a key: its class, and its fields in depth.

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
