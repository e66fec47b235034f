"""Results of all checks of a tokenizer's contract, one line each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmark.errors import UserError
from benchmark.jobs.requirements import library_needs, weight_needs
from benchmark.metrics.delay import estimate_delay
from benchmark.storage.hub_downloads import Hub
from benchmark.tokenizers.base import Tokenizer, parts
from benchmark.tokenizers.encoding.full_contract import CHECKS, decoded_pair, facts, ready
from benchmark.types import SAMPLE_RATE

WIDTH = max(map(len, CHECKS))


@dataclass(frozen=True)
class Result:
    """Result of one check: its name, whether it passed, and what it found."""

    name: str
    passed: bool
    found: str

    def __str__(self) -> str:
        return f"{'ok' if self.passed else 'FAILS':5}  {self.name:{WIDTH}}  {self.found}"


def contract_lines(tokenizer: Tokenizer) -> Iterator[Result]:
    """Yield the result of each check as soon as it is known; a codebook is fitted first if one is needed.

    If the declared facts are wrong, no other check is run.

    Raises: UserError if weights or libraries are missing.
    """
    first = _result("facts", facts, tokenizer)
    yield first
    if not first.passed:
        return
    _require_present(tokenizer)
    tokenizer = ready(tokenizer)
    for name, check in ({**CHECKS, "delay": _delay}).items():
        if name != first.name:
            yield _result(name, check, tokenizer)


def _result(name: str, check: Callable[[Tokenizer], str], tokenizer: Tokenizer) -> Result:
    try:
        return Result(name, True, check(tokenizer))
    except UserError as error:
        return Result(name, False, str(error))
    except Exception as error:  # a tokenizer may raise anything
        return Result(name, False, f"{type(error).__name__}: {' '.join(str(error).split())}")


def _require_present(tokenizer: Tokenizer) -> None:
    needs = [*library_needs(parts(tokenizer)), *weight_needs(tokenizer, Hub())]
    if needs:
        told = "; ".join(" ".join(need.what.split()) for need in needs)
        fetched = [need.install or (need.download.command if need.download else "") for need in needs]
        commands = "".join(f"; {command}" for command in filter(None, fetched))
        raise UserError(f"{tokenizer.name} cannot be checked on this machine, it lacks {told}{commands}")


def _delay(tokenizer: Tokenizer) -> str:
    """Return by how much decoded speech lags its original; no delay is wrong, and scores may remove it."""
    if not tokenizer.spec.can_decode:
        return "of the vocoder (can_decode=False)"
    return f"{1000 * estimate_delay(*decoded_pair(tokenizer)) / SAMPLE_RATE:.1f} ms"
