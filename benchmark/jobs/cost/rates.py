"""Speeds at which this machine or a stated device encodes, trains, transcribes and scores."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from benchmark.errors import UserError, unknown
from benchmark.tokenizers.base import Tokenizer, parts

SHIPPED = Path(__file__).with_name("rates.yaml")
MEASURED = "rates.json"
"""File in the cache with the rates that `--measure` found, by device and tokenizer."""
DEVICES = ("cpu", "gpu")
DEFAULT = "default"
SIZE = "size: "
"""Prefix of the source of a rate that is computed from the size of the weights."""
BYTES, FRAME_RATE = 4, 50
"""Bytes per parameter in a checkpoint, and frames per second, both assumed when a size gives the rate."""


@dataclass
class Rates:
    """Rates of one device; every look-up is recorded, so that a report can name its sources."""

    device: str
    """Name of the device in reports."""
    table: Mapping[str, Any]
    sources: Mapping[str, str]
    measured: Mapping[str, list[Any]] = field(default_factory=dict)
    """Seconds of speech encoded per second and the date of the measurement, by tokenizer."""
    used: dict[str, tuple[float, str]] = field(default_factory=dict)
    """Rate and source of every look-up so far, by its name."""

    def encode(self, tokenizer: Tokenizer) -> float:
        """Return the seconds of speech that a tokenizer encodes per second.

        A tokenizer made from other tokenizers has the rate of the slowest of them.
        """
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
        """Return the seconds of speech that a prompt encoder of these features processes per second."""
        return self._look(f"prompt {features}", "prompt", self._key("prompt", features))

    def vocoder(self, name: str) -> float:
        """Return the seconds of crops per second of training a vocoder, by the name of its config."""
        return self._look(f"vocoder {name}", "vocoder", self._key("vocoder", name))

    def probe(self, quantity: str) -> float:
        """Return the `parameter_frames` or `frames_in_a_row` per second of training a probe."""
        return self._look(f"probe {quantity}", "probe", quantity)

    def transcribe(self, checkpoint: str) -> float:
        """Return the seconds of speech transcribed per second, by the checkpoint of the recogniser."""
        return self._look(f"transcribe {checkpoint}", "transcribe", self._key("transcribe", checkpoint))

    def score(self, task: str) -> float:
        """Return the seconds of test speech decoded and scored per second, by the name of the task."""
        return self._look(f"score {task}", "score", self._key("score", task))

    def say(self, source: str) -> str:
        """Return a source in words."""
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
    """Return the rates by device, "cpu" and "gpu".

    Args:
        own: File whose entries replace those of the package.
        cache: Folder that may hold measured rates.

    Raises:
        UserError: `own` is missing, is not YAML, or has an unknown entry or a rate that is not positive.
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
    """Return the measured rates by device and tokenizer; none if their file is missing or damaged."""
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
    """Return `base` with the entries of `own`, which must have the same structure."""
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
