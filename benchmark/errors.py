"""The one exception that is meant for the person at the keyboard."""

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """A mistake the user can mend: shown as its message alone, without a traceback.

    The message names the value received, the legal ones or the next step.
    """


def unknown(what: str, value: object, legal: Iterable[object]) -> UserError:
    """A `UserError` for a name that is not among the legal ones, with the nearest match first."""
    names = sorted(str(name) for name in legal)
    near = get_close_matches(str(value), names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return UserError(f"unknown {what} {value!r}.{hint} Legal: {', '.join(names) or '(none)'}")
