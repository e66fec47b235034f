"""How fast this machine, or a stated device, does what a benchmark consists of."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from benchmark.errors import UserError, unknown
from benchmark.jobs.requirements import parts
from benchmark.tokenizers.base import Tokenizer

SHIPPED = Path(__file__).with_name("rates.yaml")
MEASURED = "rates.json"
"""In the cache: what `--measure` found, by device and tokenizer."""
DEVICES = ("cpu", "gpu")
DEFAULT = "default"
SIZE = "size: "
"""Before the source of a rate that follows from the size of the weights."""
BYTES, FRAME_RATE = 4, 50
"""Of a parameter in a checkpoint's file, and the frames per second that its size is reckoned with."""


@dataclass
class Rates:
    """Rates of one device; each look-up is remembered, so that the report can say what it rests on."""

    device: str
    """What the numbers are of, in words."""
    table: Mapping[str, Any]
    sources: Mapping[str, str]
    measured: Mapping[str, list[Any]] = field(default_factory=dict)
    """Speech encoded per second and when that was measured, by tokenizer."""
    used: dict[str, tuple[float, str]] = field(default_factory=dict)
    """Rate and source of everything that was asked for."""

    def encode(self, tokenizer: Tokenizer) -> float:
        """Seconds of speech per second; where it stands on other tokenizers, that of the slowest of them."""
        whole = parts(tokenizer.base_tokenizer)
        return min(self._encode(part) for part in whole[1:] or whole)

    def _encode(self, part: Tokenizer) -> float:
        name = f"encode {part.name}"
        if part.name in self.measured:
            rate, date = self.measured[part.name]
            return self._use(name, rate, f"measured here, {date}")
        known = self.table["encode"]
        names = (part.name, getattr(part, "checkpoint", None), type(part).__name__)
        key = next((key for key in names if key in known), None)
        size_mb = getattr(part, "size_mb", None)
        if key is None and size_mb:
            speed, source = self.table["operations"]
            most, _ = self.table["encode_most"]
            per_second = 2 * size_mb * 1e6 / BYTES * FRAME_RATE
            return self._use(name, min(speed / per_second, most), f"{SIZE}{source}")
        return self._look(name, "encode", key or DEFAULT)

    def prompt(self, features: str) -> float:
        """Seconds of speech per second that a prompt encoder hears, by the kind of its features."""
        return self._look(f"prompt {features}", "prompt", self._key("prompt", features))

    def vocoder(self, name: str) -> float:
        """Seconds of crops per second of training, by the recipe's name."""
        return self._look(f"vocoder {name}", "vocoder", self._key("vocoder", name))

    def probe(self, quantity: str) -> float:
        """`parameter_frames` or `frames_in_a_row` per second."""
        return self._look(f"probe {quantity}", "probe", quantity)

    def transcribe(self, checkpoint: str) -> float:
        """Seconds of speech per second, by the recogniser's checkpoint."""
        return self._look(f"transcribe {checkpoint}", "transcribe", self._key("transcribe", checkpoint))

    def score(self, task: str) -> float:
        """Seconds of test speech per second, by the task's name."""
        return self._look(f"score {task}", "score", self._key("score", task))

    def say(self, source: str) -> str:
        """A source in words."""
        if source.startswith(SIZE):
            return f"by the size of the weights, {self.say(source.removeprefix(SIZE))}"
        return self.sources.get(source, source)

    def _key(self, group: str, name: str) -> str:
        return name if name in self.table[group] else DEFAULT

    def _look(self, name: str, group: str, key: str) -> float:
        rate, source = self.table[group][key]
        return self._use(name, rate, source)

    def _use(self, name: str, rate: float, source: str) -> float:
        self.used[name] = rate, source
        return rate


def load_rates(own: Path | None, cache: Path) -> dict[str, Rates]:
    """Rates by device, "cpu" and "gpu".

    Args:
        own: A file whose entries replace those that come with the package.
        cache: Folder that may hold what was measured.

    Raises:
        UserError: `own` is missing, no YAML, or has an entry that is not known or no positive number.
    """
    content = yaml.safe_load(SHIPPED.read_text())
    if own is not None:
        content = _replaced(content, _read(own), own, ())
    measured = read_measured(cache)
    return {
        name: Rates(content[name]["device"], content[name], content["sources"], measured.get(name, {}))
        for name in DEVICES
    }


def read_measured(cache: Path) -> dict[str, dict[str, list[Any]]]:
    """What was measured, by device and tokenizer; nothing where there is no such file or it is damaged."""
    try:
        content = json.loads((cache / MEASURED).read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.expanduser().read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"--rates: {path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"--rates: {path} holds no rates; {SHIPPED} shows how they are written")
    return content


OPEN = ("sources", "encode", "prompt", "vocoder", "transcribe", "score")
"""Groups to which names may be added."""


def _replaced(
    base: Mapping[str, Any], own: Mapping[str, Any], path: Path, where: Iterable[str]
) -> dict[str, Any]:
    """`base` with the entries of `own`, which must be of the same form."""
    where = tuple(where)
    result = dict(base)
    for name, value in own.items():
        if name not in base and not (where and where[-1] in OPEN):
            raise unknown(f"entry of {path}: {'.'.join(where) or 'top level'}", name, base)
        old = base.get(name, next(iter(base.values())))
        if isinstance(old, Mapping):
            if not isinstance(value, Mapping):
                raise UserError(
                    f"{path}: {'.'.join((*where, name))} must hold entries by name, not {value!r}"
                )
            result[name] = _replaced(old, value, path, (*where, name))
        elif isinstance(old, list):
            result[name] = _rate(value, path, (*where, name))
        else:
            result[name] = str(value)
    return result


def _rate(value: Any, path: Path, where: tuple[str, ...]) -> list[Any]:
    rate, source = value if isinstance(value, list) and len(value) == 2 else (value, str(path))
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not rate > 0:
        raise UserError(f"{path}: {'.'.join(where)}={value!r} must be a positive number, or [number, source]")
    return [rate, source]
