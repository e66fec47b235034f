"""The result row: one number and everything needed to trust it."""

import json
import math
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from itertools import pairwise
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from benchmark.errors import UserError
from benchmark.types import Kind

SCHEMA_VERSION = 1
"""Version of the row format. Raise it when a field changes its name or meaning, so that older rows are
refused instead of misread."""

Status = Literal["ok", "NC", "failed", "n/a"]
"""Status of a number. NC: the training behind the number did not converge. n/a: the metric has no meaning for
the tokenizer."""

ADDED: dict[str, Any] = {
    "variant": "", "metric_key": "", "display": {}, "date": "", "base": "", "n_abstained": 0, "remark": "",
    "machine": {},
}  # fmt: skip
"""Fields that rows of this schema version may lack, with the value that an absent field stands for."""

SHOWN = {"label", "unit", "higher_is_better", "decimals", "place"}
"""Facts without which a table cannot show a metric."""
ROUNDING = 1e-9
"""Relative tolerance between a value and its interval: two summation orders of the same scores differ."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One number: tokenizer × variant × dataset × task × metric × seed.

    NaN becomes None, and in `notes` infinity does too, so that a row equals its own JSON.

    Attributes:
        profile: Rows of different profiles never share a table.
        decoder: Decoder of codes into speech: "own", a vocoder such as "ctx_vec2wav/mini", or "none".
        frame_rate: Frames per second; None if there are no frames.
        bitrate: Nominal bits per second.
        value: Number in the metric's unit; None if there is none. `lo` and `hi` bound its 95 % interval.
        n_scored: Utterances behind `value`.
        n_failed: Utterances without a score because decoding or scoring failed.
        n_abstained: Utterances that the metric is not defined for, such as pitch without a voiced frame. In
            older rows `n_failed` counts them.
        reason: Why `status` is not "ok", or why utterances have no score.
        definition: The metric in words, with the recogniser or extractor that it rests on.
        interval: Method that gave `lo` and `hi`.
        key: Digest of everything the job depends on; the same key gives the same numbers on one kind of
            machine, see docs/explanation/reproducibility.md.
        wall_time: Seconds that the job took.
        artifacts: References "kind/digest" of the artifacts that the job used.
        notes: JSON-able evidence, such as the learning curve behind an NC or a chance level.
        variant: Sets the job apart from the tokenizer's usual one, such as "vocoder" where the vocoder
            decoded in place of the tokenizer's own decoder; empty for the usual.
        metric_key: Digest of what the metric depends on beside the job; empty where `key` says it all.
        display: How tables show the metric: label, unit, higher_is_better, decimals, its place, the columns
            of counts that it is the ratio of, the metric that it is a note of, and the table that its task
            declares.
        remark: Caution that belongs beside a number that stands, such as an overfitted probe.
        date: Day on which the number was made, UTC, as YYYY-MM-DD; empty in older rows.
        base: Tokenizer whose codes a floor shuffles; empty for other tokenizers, and in older rows.
        machine: Where the number was made: processor, instructions and gpu; in trained_on, by artifact, the
            machines that trained it, with threads and devices. Empty in older rows.
    """

    profile: str
    tokenizer: str
    kind: Kind
    decoder: str
    frame_rate: float | None
    num_codebooks: int | None
    codebook_size: int | None
    bitrate: float | None
    dataset: str
    split: str
    task: str
    metric: str
    value: float | None
    lo: float | None = None
    hi: float | None = None
    n_scored: int
    n_failed: int
    status: Status = "ok"
    reason: str = ""
    definition: str
    interval: str = ""
    seed: int
    config_digest: str
    key: str
    git_commit: str | None
    versions: dict[str, str]
    device: str
    wall_time: float
    artifacts: list[str] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    variant: str = ""
    metric_key: str = ""
    display: dict[str, Any] = field(default_factory=dict)
    date: str = ""
    base: str = ""
    n_abstained: int = 0
    remark: str = ""
    machine: dict[str, Any] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        for name in ("value", "lo", "hi"):
            number = getattr(self, name)
            if number is not None:
                object.__setattr__(self, name, None if math.isnan(number) else float(number))
        object.__setattr__(self, "notes", _strict(self.notes))
        self.validate()

    def validate(self) -> None:
        """Check the types of all fields, and the row for contradictions.

        Raises: ValueError when a field has another type, or the row contradicts itself.
        """
        label = f"{self.task}/{self.tokenizer}/{self.dataset}/{self.metric}"
        for name, types in _types().items():
            if not isinstance(getattr(self, name), types):
                raise ValueError(f"{label}: {name} is {getattr(self, name)!r:.60}, of another type")
        if self.display and (absent := SHOWN - self.display.keys()):
            raise ValueError(f"{label}: display lacks {', '.join(sorted(absent))}")
        if self.schema_version != SCHEMA_VERSION:
            raise ValueError(f"{label}: schema version {self.schema_version} is not {SCHEMA_VERSION}")
        if self.status not in get_args(Status):
            raise ValueError(f"{label}: status {self.status!r} is not one of {get_args(Status)}")
        if self.kind not in get_args(Kind):
            raise ValueError(f"{label}: kind {self.kind!r} is not one of {get_args(Kind)}")
        if self.status == "ok" and self.value is None:
            raise ValueError(f"{label}: a row without a value cannot have status 'ok'")
        if self.status != "ok" and not self.reason:
            raise ValueError(f"{label}: status {self.status!r} needs a reason")
        counts = self.n_scored, self.n_failed, self.n_abstained
        if min(counts) < 0:
            raise ValueError(f"{label}: counts {', '.join(map(str, counts))} must not be negative")
        bounds = [x for x in (self.lo, self.value, self.hi) if x is not None]
        if any(math.isinf(x) for x in bounds):
            raise ValueError(f"{label}: {bounds} must be finite")
        slack = ROUNDING * max((abs(x) for x in bounds), default=0.0)
        if any(low > high + slack for low, high in pairwise(bounds)):
            raise ValueError(f"{label}: lo {self.lo} <= value {self.value} <= hi {self.hi} does not hold")

    @property
    def label(self) -> str:
        """Name of the tokenizer in tables: its own name, followed by the variant."""
        return f"{self.tokenizer}+{self.variant}" if self.variant else self.tokenizer

    def to_json(self) -> str:
        """Return one line of strict JSON, without NaN or infinity."""
        return json.dumps(asdict(self), allow_nan=False)

    @classmethod
    def from_json(cls, line: str) -> "Row":
        """Read a line that `to_json` wrote.

        Raises:
            UserError: the row has another schema version.
            ValueError: the line is not a row.
        """
        content = json.loads(line)
        if not isinstance(content, dict) or "schema_version" not in content:
            raise ValueError("not a result row")
        if content["schema_version"] != SCHEMA_VERSION:
            raise UserError(
                f"result rows of schema version {content['schema_version']}, but this code reads "
                f"{SCHEMA_VERSION}. Move the results folder away and run again, or check out the commit "
                f"that wrote them ({content.get('git_commit')})."
            )
        content = ADDED | content
        unknown = sorted(content.keys() ^ {item.name for item in fields(cls)})
        if unknown:
            raise ValueError(f"missing or unknown fields: {', '.join(unknown)}")
        return cls(**content)


@cache
def _types() -> dict[str, tuple[type, ...]]:
    """Return the legal types of every field, without those of the content of lists and dicts."""
    legal = {}
    for name, hint in get_type_hints(Row).items():
        parts = get_args(hint) if isinstance(hint, UnionType) else (hint,)
        types = tuple(str if get_origin(part) is Literal else get_origin(part) or part for part in parts)
        legal[name] = (*types, int) if float in types else types
    return legal


def _strict(value: Any) -> Any:
    """Convert content to strict JSON types: NumPy scalars to Python numbers, non-finite numbers to None."""
    if isinstance(value, dict):
        return {str(name): _strict(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(item) for item in value]
    if hasattr(value, "tolist"):  # NumPy arrays and scalars
        return _strict(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
