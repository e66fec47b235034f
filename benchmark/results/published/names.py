"""Names of published tokenizers in this benchmark, and the sources themselves."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import yaml

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Source:
    """A paper, board or page that prints numbers.

    Attributes:
        cite: Name in tables.
        page: Address where a reader can check a number.
        shown_in: Patterns of profiles whose reports show the source without being asked.
    """

    cite: str
    page: str
    shown_in: tuple[str, ...] = ()

    def is_shown_in(self, profile: str) -> bool:
        """Tell whether the report of a profile shows the source without being asked."""
        return any(fnmatch(profile, pattern) for pattern in self.shown_in)


@cache
def read_sources() -> Mapping[str, Source]:
    """Return all sources by name."""
    content = yaml.safe_load((FOLDER / "sources.yaml").read_text(encoding="utf-8"))
    return {
        name: Source(facts["cite"], facts["page"], tuple(facts.get("shown_in", ())))
        for name, facts in content.items()
    }


@dataclass(frozen=True)
class Counterpart:
    """The config that makes a published tokenizer, or the reason why none does."""

    config: str
    why_none: str


@cache
def read_counterparts() -> Mapping[tuple[str, str, str], Counterpart]:
    """Return the counterpart of each published tokenizer, by source, name and variant."""
    with (FOLDER / "tokenizers.csv").open(encoding="utf-8", newline="") as file:
        return {
            (line["source"], line["tokenizer"], line["variant"]): Counterpart(
                line["config"], line["why_none"]
            )
            for line in csv.DictReader(file)
        }


@cache
def read_conversion_prompts() -> Mapping[str, str]:
    """Return the published prompt of each source speaker in the survey's conversions.

    Every utterance of a speaker of testset-B is converted to the voice of one other speaker's prompt: the
    list utt2prompt of LSCodec, which the survey cites.
    """
    with (FOLDER / "conversion_prompts.csv").open(encoding="utf-8", newline="") as file:
        return {line["source_speaker"]: line["prompt"] for line in csv.DictReader(file)}
