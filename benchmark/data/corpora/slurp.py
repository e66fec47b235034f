"""SLURP (Bastianelli et al., EMNLP 2020): the repository's annotations and the `slurp_real` audio.

Annotations are in `dataset/slurp/{train,devel,test}.jsonl`, with one sentence and its recordings per line.
`dataset/slurp/metadata.json`, if present, names the speaker of each recording. Training may also use
`train_synthetic.jsonl`, whose sentences were spoken by speech synthesizers and are in `slurp_synth`.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from benchmark.data.audio import headers
from benchmark.data.corpora.base import Corpus
from benchmark.data.corpora.listing import listing, require_root, subfolders
from benchmark.data.corpora.slurp_annotations import Row, has_bare_intent, intent_of, is_headset, parse
from benchmark.data.manifest import Manifest
from benchmark.errors import UserError, unknown
from benchmark.storage.hashing import digest, file_digest
from benchmark.types import Utterance

log = logging.getLogger(__name__)

FILES = {"train": "train.jsonl", "dev": "devel.jsonl", "test": "test.jsonl"}
METADATA = "metadata.json"
SYNTHETIC = "train_synthetic.jsonl"
SYNTHETIC_AUDIO = "slurp_synth"
TRAIN_PARTS = ("real", "synthetic")
RECORDINGS = {
    "all": "",
    "headset": "one take a sentence, headset where there is one",
    "first": "one take a sentence, the first listed",
}
"""Choices among the recordings of a sentence, with what the label of the test split says of them."""
ANNOTATION_FOLDERS = ("dataset/slurp", "slurp", ".")
AUDIO_FOLDERS = ("audio/slurp_real", "scripts/audio/slurp_real", "slurp_real", "audio", ".")
"""Possible places of `slurp_real` below the root; SLURP's download script unpacks to its working folder."""


@dataclass(kw_only=True)
class Slurp(Corpus):
    """SLURP with sentences, intents, speakers and audio headers.

    Without metadata.json the speakers are unknown, and every take counts as a speaker of its own,
    "unknown-<take>", which the take's two microphones share. Statistics clustered by speaker are then
    statistics over takes, and two "speakers" may be one person.

    A recording that is listed but not on the disk stays in the manifest with duration NaN.

    Attributes:
        root: The SLURP repository, with the audio in one of `AUDIO_FOLDERS`.
        recordings: Choice among the recordings of a sentence, as several people spoke most sentences, each
            into one or two microphones. "all" takes all, as published results do (13,078 of test); "headset"
            takes the first close-talk recording, or the first recording if there is no close-talk one (2,974
            of test); "first" takes the first listed.
        audio_root: Folder of the .flac files, or its parent folder, if it is not below `root`.
        train_parts: Parts of the training data to use, out of `TRAIN_PARTS`; `slurp_synth` must be beside
            `slurp_real`.
    """

    uid: ClassVar[str] = "benchmark.data.slurp.Slurp"

    root: str
    recordings: str = "all"
    audio_root: str | None = None
    train_parts: Sequence[str] = ("real",)

    def __post_init__(self) -> None:
        if self.recordings not in RECORDINGS:
            raise unknown("choice of recordings", self.recordings, RECORDINGS)
        for part in self.train_parts:
            if part not in TRAIN_PARTS:
                raise unknown("part of SLURP's training data", part, TRAIN_PARTS)
        if not self.train_parts or len(set(self.train_parts)) < len(self.train_parts):
            raise UserError(
                f"dataset.train_parts={list(self.train_parts)} must name each part once, one at least; "
                f"legal: {', '.join(TRAIN_PARTS)}"
            )

    def identity(self, split: str) -> dict[str, Any]:
        """Return class, version, choice of recordings, and digests of annotations and audio listing."""
        metadata = self._annotations / METADATA
        content = {
            **super().identity(split),
            "recordings": self.recordings,
            "annotations": file_digest(self._annotation_path(split, "real")),
            "metadata": file_digest(metadata) if metadata.is_file() else None,
            "listing": self._audio_digest,
        }
        if self._parts(split) != ("real",):
            content["parts"] = self._parts(split)
            content["synthetic"] = {
                "annotations": file_digest(self._annotation_path(split, "synthetic")),
                "listing": digest(listing(self._synthetic_audio)),
            }
        return content

    def split_label(self, split: str) -> str:
        """Return the label of a split; that of test names the choice of recordings unless all are used."""
        told = RECORDINGS[self.recordings] if split == "test" else ""
        return f"{split} ({told})" if told else split

    def location(self) -> str:
        """Return the folder of the recordings."""
        return str(self._audio)

    def _parts(self, split: str) -> tuple[str, ...]:
        """Return the parts, real or synthetic, that a split consists of."""
        return tuple(sorted(self.train_parts)) if split == "train" else ("real",)

    def build(self, split: str, folder: Path) -> Manifest:
        """Build the manifest from annotations and audio headers; nothing is written below `folder`."""
        del folder
        bare = self.bare_intents(split)
        if bare:
            log.info("SLURP %s: %d intents lacked their scenario, which was restored", split, bare)
        utterances: list[Utterance] = []
        for part in self._parts(split):
            found = self._list_part(split, part)
            close = sum(is_headset(utterance.audio_path) for utterance in found)
            mix = f"{close} by headset, {len(found) - close} far-field" if part == "real" else part
            log.info("SLURP %s: %d recordings, %s", split, len(found), mix)
            utterances += found
        return Manifest(utterances)

    def _list_part(self, split: str, part: str) -> list[Utterance]:
        folder, what, remedy = self._audio, "recordings", "set dataset.audio_root=<folder of slurp_real>"
        if part == "synthetic":
            folder, what = self._synthetic_audio, "synthetic recordings"
            remedy = "unpack slurp_synth.tar.gz again or set dataset.train_parts=[real]"
        chosen = [(row, folder / file) for row in self.rows(split, part) for file in self._choose(row)]
        found = headers([path for _, path in chosen])
        if all(fingerprint == "missing" for _, fingerprint in found):
            raise UserError(f"none of the {len(chosen)} {what} of the {split} split is in {folder}; {remedy}")
        return [self._to_utterance(part, *item, *facts) for item, facts in zip(chosen, found, strict=True)]

    def speaker(self, file: str) -> str | None:
        """Return the speaker of a recording of `slurp_real`; None if metadata.json does not name one."""
        return self._users.get(file)

    def bare_intents(self, split: str) -> int:
        """Return the number of sentences whose gold intent lacks its scenario; see `intent_of`."""
        return sum(has_bare_intent(row) for part in self._parts(split) for row in self.rows(split, part))

    def _to_utterance(self, part: str, row: Row, path: Path, duration: float, fingerprint: str) -> Utterance:
        spoken, nobody, user = path.stem, "unknown", self.speaker(path.name)
        if part == "synthetic":  # the prefix keeps ids apart if file names repeat those of the real part
            spoken, nobody, user = f"synthetic-{path.stem}", "synthetic", None
        return Utterance(
            utterance_id=f"{row.slurp_id:05d}-{spoken}",
            audio_path=str(path),
            speaker_id=user or f"{nobody}-{path.stem.removesuffix('-headset')}",
            duration=duration,
            fingerprint=fingerprint,
            text=row.sentence.strip().lower(),
            intent=intent_of(row),
            scenario=row.scenario,
            gender=user[0] if user and user[0] in "FM" else None,
        )

    def _choose(self, row: Row) -> list[str]:
        if self.recordings == "all":
            return row.files
        close = [file for file in row.files if is_headset(file)]
        return (close or row.files)[:1] if self.recordings == "headset" else row.files[:1]

    def rows(self, split: str, part: str) -> list[Row]:
        """Read the annotations of the real or synthetic part of a split.

        Raises:
            UserError: an annotation cannot be read.
        """
        path = self._annotation_path(split, part)
        rows = []
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                try:
                    rows.append(parse(line))
                except (ValueError, KeyError, TypeError) as error:
                    raise UserError(
                        f"{path}, line {number} is no SLURP annotation ({error!r}); get the file again "
                        "from the SLURP repository"
                    ) from error
        if not rows:
            raise UserError(f"{path} is empty; get it again from the SLURP repository")
        return rows

    def _annotation_path(self, split: str, part: str) -> Path:
        if split not in FILES:
            raise unknown("split of SLURP", split, FILES)
        path = self._annotations / (FILES[split] if part == "real" else SYNTHETIC)
        if not path.is_file():
            raise UserError(f"{path} is missing; get it from the SLURP repository, or {self._suggest()}")
        return path

    @cached_property
    def _annotations(self) -> Path:
        root = require_root(self.root, "SLURP", "SLURP")
        for place in ANNOTATION_FOLDERS:
            folder = (root / place).absolute()
            if any((folder / name).is_file() for name in FILES.values()):
                return folder
        raise UserError(
            f"{root} holds no SLURP annotations (dataset/slurp/train.jsonl, devel.jsonl, test.jsonl); it has "
            f"{', '.join(subfolders(root)) or 'no folders'}. Set SLURP=<root> or dataset.root=<root>, or "
            f"{self._suggest()}."
        )

    @cached_property
    def _audio(self) -> Path:
        if self.audio_root is None:
            base = require_root(self.root, "SLURP", "SLURP")
            places = [base / place for place in AUDIO_FOLDERS]
        else:
            base = Path(self.audio_root).expanduser().absolute()
            places = [base / "slurp_real", base]
        for folder in places:
            if folder.is_dir() and any(folder.glob("*.flac")):
                return folder
        raise UserError(
            f"no SLURP recordings (.flac) below {base}; looked in "
            f"{', '.join(place.relative_to(base).as_posix() for place in places)}. Unpack slurp_real.tar.gz "
            f"into <root>/audio, set dataset.audio_root=<folder of slurp_real>, or {self._suggest()}."
        )

    @cached_property
    def _synthetic_audio(self) -> Path:
        places = [self._audio.parent / SYNTHETIC_AUDIO, self._audio / SYNTHETIC_AUDIO]
        for folder in places:
            if folder.is_dir() and any(folder.glob("*.flac")):
                return folder
        raise UserError(
            f"no synthetic SLURP recordings (.flac) in {' or '.join(map(str, places))}. Unpack "
            "slurp_synth.tar.gz beside slurp_real, set dataset.train_parts=[real], or "
            f"{self._suggest('slurp_synth')}."
        )

    def _suggest(self, subset: str = "slurp_real") -> str:
        """Return the next step for a message about missing files."""
        return f"download it: make data DATASET=slurp ROOT={self.root} SUBSETS={subset}"

    @cached_property
    def _audio_digest(self) -> str:
        return digest(listing(self._audio))

    @cached_property
    def _users(self) -> dict[str, str]:
        """Speaker id by file.

        An id such as "FE-488" gives gender (F, M or UNK) and native language (E for English, O for other).
        """
        path = self._annotations / METADATA
        if not path.is_file():
            log.warning("%s is missing: speakers are unknown, so every take counts as a speaker", path)
            return {}
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
            return {
                file: facts["usrid"]
                for entry in entries.values()
                for file, facts in entry["recordings"].items()
                if facts.get("usrid")
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path} is damaged ({error!r}); get it again from the SLURP repository"
            ) from error
