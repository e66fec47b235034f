"""Verification of a corpus on the disk: found against published counts, and missing or damaged files."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from tqdm import tqdm

from benchmark.data.audio_faults import Examined, examine_all
from benchmark.data.download.download import checksum
from benchmark.data.download.inventory import Fault, Inventory, take_inventories
from benchmark.data.download.preparation import Preparation
from benchmark.data.download.published_corpora import Counts
from benchmark.data.manifest_errors import Problems

QUANTITIES = [item.name for item in fields(Counts)]
TOLERANCE = 0.01
"""Relative difference from the published hours that is tolerated, because they are rounded."""


@dataclass(frozen=True)
class Finding:
    """The found and published counts of one part of the corpus; `found` counts only sound recordings."""

    part: str
    found: Counts
    published: Counts

    def differs(self, quantity: str) -> bool:
        """Return whether the found number differs from the published one; False if none is published."""
        found, published = getattr(self.found, quantity), getattr(self.published, quantity)
        if published is None:
            return False
        if found is None or quantity != "hours":
            return found != published
        return abs(found - published) > TOLERANCE * published


@dataclass(frozen=True)
class Verification:
    """The result of a verification that examined `files` recordings in `seconds`."""

    findings: list[Finding]
    faults: list[Fault]
    files: int
    seconds: float

    @property
    def complete(self) -> bool:
        """True if nothing is missing or damaged and all counts are as published."""
        return not self.faults and not any(f.differs(q) for f in self.findings for q in QUANTITIES)

    def as_json(self) -> dict[str, Any]:
        """Return the whole result as JSON-able content, with the place of each fault."""
        return {
            "complete": self.complete,
            "parts": [asdict(finding) for finding in self.findings],
            "faults": [fault._asdict() for fault in self.faults],
            "files": self.files,
            "seconds": round(self.seconds, 3),
        }

    def text(self) -> str:
        """Return a table of found and published counts, followed by the first faults of each kind."""
        counts = [counts for finding in self.findings for counts in (finding.found, finding.published)]
        used = [q for q in QUANTITIES if any(getattr(one, q) is not None for one in counts)]
        rows = [["found / published", *used]]
        rows += [[f.part, *(_format_cell(f, quantity) for quantity in used)] for f in self.findings]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        if any(finding.differs(quantity) for finding in self.findings for quantity in used):
            lines.append("* not as published")
        rate = self.files / self.seconds if self.seconds else 0.0
        lines += ["", f"{self.files:,} recordings examined in {self.seconds:.1f} s ({rate:,.0f} per second)."]
        problems = Problems()
        for fault in self.faults:
            problems.add(f"{fault.part}: {fault.kind}", fault.where)
        lines += ["Nothing is missing or damaged."] if self.complete else problems.lines()
        return "\n".join(lines)


def verify(preparation: Preparation, subsets: Sequence[str], workers: int) -> Verification:
    """Examine the header and the end of every recording, and find recordings that are listed but missing.

    Args:
        preparation: The corpus.
        subsets: Archives that should be present.
        workers: Number of processes that examine recordings.

    Raises:
        UserError: a folder holds no audio, or transcripts or annotations cannot be read.
    """
    published = preparation.published
    faults, found = list(_find_annotation_faults(preparation, subsets)), []
    for name in subsets:
        parts, place = published.archives[name].parts, preparation.present(name)
        if place is None:
            faults.append(Fault(name, "not there", str(preparation.folder)))
            found += [Inventory(part, counts, {}, []) for part, counts in parts.items()]
        else:
            folders = preparation.folder, place
            found += take_inventories(published.title, *folders, parts, preparation.annotations)
    paths = list(dict.fromkeys(path for inventory in found for path in inventory.speakers))  # lists overlap
    began = time.perf_counter()
    examined = dict(zip(paths, _show_progress(examine_all(paths, workers), len(paths)), strict=True))
    seconds = time.perf_counter() - began
    for inventory in found:
        bad = ((path, examined[path].fault) for path in inventory.speakers)
        faults += inventory.faults
        faults += [Fault(inventory.part, fault, path) for path, fault in bad if fault is not None]
    return Verification(
        [_make_finding(inventory, examined) for inventory in found], faults, len(paths), seconds
    )


def _find_annotation_faults(preparation: Preparation, subsets: Sequence[str]) -> Iterator[Fault]:
    archives = [preparation.published.archives[name] for name in subsets]
    for source in dict.fromkeys(source for archive in archives for source in archive.annotations):
        path = preparation.annotations / source.name
        if not path.is_file():
            yield Fault("annotations", "missing", str(path))
        elif source.checksum and checksum(path, source.checksum.partition(":")[0]) != source.checksum:
            yield Fault("annotations", "not the published file", str(path))


def _make_finding(inventory: Inventory, examined: dict[str, Examined]) -> Finding:
    sound = {path: who for path, who in inventory.speakers.items() if examined[path].fault is None}
    counts = Counts(
        utterances=len(sound),
        speakers=len(set(sound.values()) - {None}) if any(inventory.speakers.values()) else None,
        hours=sum(examined[path].duration for path in sound) / 3600,
        sentences=inventory.sentences,
    )
    return Finding(inventory.part, counts, inventory.published)


def _show_progress(examined: Iterator[Examined], total: int) -> Iterator[Examined]:
    return iter(tqdm(examined, total=total, desc="examining recordings", unit=" files", disable=None))


def _format_cell(finding: Finding, quantity: str) -> str:
    form = "{:,.2f}" if quantity == "hours" else "{:,}"
    found, published = (
        "–" if number is None else form.format(number)
        for number in (getattr(finding.found, quantity), getattr(finding.published, quantity))
    )
    return f"{found} / {published}{' *' if finding.differs(quantity) else ''}"
