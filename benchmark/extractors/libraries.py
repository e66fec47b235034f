"""Libraries that only some metrics need, each an extra of this package."""

from importlib.util import find_spec

from benchmark.errors import UserError


def require(library: str, extra: str) -> None:
    """Raises: UserError naming the extra, when the library is not installed."""
    if find_spec(library) is None:
        raise UserError(f"library {library} is missing: pip install 'speech-token-benchmark[{extra}]'")
