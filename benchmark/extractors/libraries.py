"""Check for libraries that only some metrics need; each is in an extra of this package."""

from importlib.util import find_spec

from benchmark.errors import UserError


def require(library: str, extra: str) -> None:
    """Check that a library is installed.

    Raises:
        UserError: the library is missing; the message names the extra that installs it.
    """
    if find_spec(library) is None:
        raise UserError(f"library {library} is missing: pip install 'speech-token-benchmark[{extra}]'")
