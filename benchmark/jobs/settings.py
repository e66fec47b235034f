"""Types and ranges of the settings at the top of a config, checked before any slow library is imported."""

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from omegaconf import DictConfig, OmegaConf

from benchmark.errors import UserError, unknown

PRECISIONS = ("32-true", "16-mixed", "bf16-mixed", "16-true", "bf16-true", "64-true")
"""Lightning's precisions by their full names; one precision has one name, because names stand in keys."""
CHOICES: Mapping[str, tuple[str, ...]] = {
    "encode_precision": ("float32", "bfloat16", "auto"),
    "decoder": ("auto", "own", "vocoder"),
    "interval_unit": ("speakers", "utterances"),
    "stage": ("all", "encode", "train", "score"),
    "policy": ("only_missing", "always"),
    "preflight": ("stop", "warn", "off"),
    "trainer.precision": PRECISIONS,
}
"""Legal values of settings that are one of a few words."""
DEVICE = re.compile(r"cpu|cuda(:\d+)?")
SINGLE = ("tokenizer", "dataset", "task", "asr", "vocoder", "probe", "aligner", "trainer", "paths", "profile")
"""Groups of which a job has one; `metric` and `logger` take several."""
SEVERAL = re.compile(rf"\+*(?P<group>{'|'.join(SINGLE)})=\[(?P<names>.*)\]", re.DOTALL)


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


RULES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "seed": (lambda value: _is_whole(value, 0) and value < 2**32, "a whole number from 0 to 2^32 - 1"),
    "workers": (lambda value: _is_whole(value, 1), "a whole number, at least 1"),
    "limit": (lambda value: value is None or _is_whole(value, 1), "a whole number, at least 1, or null"),
    "device": (lambda value: DEVICE.fullmatch(str(value)) is not None, "cpu, cuda, or cuda:N"),
    "max_failed_share": (lambda value: _is_number(value) and 0 <= value <= 1, "a number from 0 to 1"),
    "patience": (lambda value: _is_number(value) and value > 0, "a positive number of hours"),
    "profile_name": (lambda value: isinstance(value, str) and bool(value), "a name"),
}
"""For each setting that is no choice, whether a value is legal, and the legal values in words."""


def require_settings(cfg: DictConfig) -> None:
    """Check the settings of a composed config.

    Raises: UserError that names the setting, its value and the legal ones.
    """
    for name, legal in CHOICES.items():
        value = OmegaConf.select(cfg, name)
        if value not in legal and OmegaConf.select(cfg, name.partition(".")[0]) is not None:
            raise unknown(name, value, legal)
    for name, (is_legal, words) in RULES.items():
        if name in cfg and not is_legal(cfg[name]):
            raise UserError(f"{name}={cfg[name]!r} must be {words}")
    known = {*CHOICES, *RULES}
    for name in map(str, cfg):
        near = get_close_matches(name, known, n=1, cutoff=0.8)
        if near and name not in known:
            raise UserError(f"unknown setting {name!r}. Did you mean {near[0]!r}?")


def refuse_several(arguments: Iterable[str]) -> None:
    """Refuse a list of options, as in `tokenizer=[a,b]`, for a group of which a job has one.

    Hydra would merge the options to one that has parts of each.

    Raises: UserError with the sweep that was meant.
    """
    for argument in arguments:
        if found := SEVERAL.fullmatch(argument):
            raise UserError(
                f"{argument}: a job has one {found['group']}; "
                f"sweep {found['group']}={found['names'].replace(' ', '')} runs a job for each"
            )
