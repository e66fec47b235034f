"""The exception for mistakes that the user can correct, and the wording of its messages."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """A mistake that the user can correct; only its message is shown, without a traceback.

    The message names the value received, and the legal values or the next step.
    """


def list_some(names: Iterable[str], most: int = 5) -> str:
    """Return the first `most` of the sorted names, and the number of the others."""
    ordered = sorted(set(names))
    more = f" and {len(ordered) - most} more" if len(ordered) > most else ""
    return ", ".join(ordered[:most]) + more


def unknown(what: str, value: object, legal: Iterable[object]) -> UserError:
    """Return a `UserError` for a name that is not legal; its message suggests the closest legal name."""
    names = sorted(str(name) for name in legal)
    near = get_close_matches(str(value), names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return UserError(f"unknown {what} {value!r}.{hint} Legal: {', '.join(names) or '(none)'}")
