"""What is published of LibriSpeech, LibriTTS and SLURP: archives, checksums, and how much is in each part.

LibriSpeech (https://www.openslr.org/12): MD5 of the server's md5sum.txt; sizes as in Kaldi's
egs/librispeech/s5/local/download_and_untar.sh; utterances as TensorFlow Datasets counts them; speakers and
hours are sums over the corpus's own SPEAKERS.TXT. (Table 1 of Panayotov et al., ICASSP 2015, has the hours
of dev-other and test-other the other way round: 5.3 and 5.1.)

LibriTTS (https://www.openslr.org/60): MD5 as in torchaudio 0.7; sizes as in ESPnet's
egs/libritts/tts1/local/download_and_untar.sh; utterances as TensorFlow Datasets counts them; speakers and
hours after Zen et al., Interspeech 2019. Its 585 hours of 2,456 speakers are all seven subsets; the three for
training have 555 hours. Only the two totals were compared with the paper: by subset the numbers are known to
add up to them, and no more.

SLURP (https://github.com/pswietojanski/slurp): size and MD5 of slurp_real as in Zenodo's record 4274930. The
annotations are those of one commit, their checksums the names that git gives their content; they list every
recording, so that the numbers of train and of the synthetic part, of which only rounded ones were found, are
not needed to tell what is missing. Sentences as in MASSIVE, which keeps the splits. Hours and speakers of the
splits are not published.
"""

from collections.abc import Iterable
from dataclasses import dataclass

LIBRISPEECH = "https://www.openslr.org/resources/12/"
LIBRITTS = "https://www.openslr.org/resources/60/"
SLURP_AUDIO = "https://zenodo.org/records/4274930/files/"
SLURP_COMMIT = "8eb16545762be97ace75334109d73824217311f1"
SLURP_TEXT = f"https://raw.githubusercontent.com/pswietojanski/slurp/{SLURP_COMMIT}/dataset/slurp/"


@dataclass(frozen=True)
class Source:
    """A file to download from `base`, which ends with a slash."""

    name: str
    base: str
    size: int | None = None
    """Bytes; None where it is not known before the server says it."""
    checksum: str | None = None
    """"md5:…", or "git:…", the name git gives the content; None where none was found."""


@dataclass(frozen=True)
class Counts:
    """How much there is in one part of a corpus; None where it is not published."""

    utterances: int | None = None
    speakers: int | None = None
    hours: float | None = None
    sentences: int | None = None
    """Where one sentence was recorded several times."""


@dataclass(frozen=True)
class Archive:
    """One archive, and the folder that it is published for."""

    source: Source
    inside: str
    """The folder in the archive."""
    places: tuple[str, ...]
    """Where it may lie in the corpus; it is unpacked to the first."""
    parts: dict[str, Counts]
    """What is counted in it: the subset itself, or the splits whose recordings it has."""
    unpacked: float = 1.05
    """About how much larger its content is."""
    annotations: tuple[Source, ...] = ()
    """Files beside it that its parts need."""


@dataclass(frozen=True)
class PublishedCorpus:
    """A corpus as it is published."""

    title: str
    variable: str
    """Environment variable that names its folder."""
    archives: dict[str, Archive]
    """By subset."""
    chosen: tuple[str, ...]
    """Subsets that are taken where none is named."""
    own_folder: bool = True
    """Whether its archives hold a folder of its title, which lies in the root that is given."""
    annotation_places: tuple[str, ...] = ()
    """Folders that may hold the annotations; they are written to the first."""


def _subsets(
    title: str, base: str, rows: Iterable[tuple[str, int, str, int, int, float]], unpacked: float
) -> dict[str, Archive]:
    """Rows of subset, bytes, MD5, utterances, speakers and hours."""
    return {
        name: Archive(
            source=Source(f"{name}.tar.gz", base, size, f"md5:{md5}"),
            inside=f"{title}/{name}",
            places=(name,),
            parts={name: Counts(utterances, speakers, hours)},
            unpacked=unpacked,
        )
        for name, size, md5, utterances, speakers, hours in rows
    }


_LIBRISPEECH_SUBSETS = [
    ("dev-clean", 337_926_286, "42e2234ba48799c1f50f24a7926300a1", 2_703, 40, 5.39),
    ("dev-other", 314_305_928, "c8d0bcc9cca99d4f8b62fcc847357931", 2_864, 33, 5.12),
    ("test-clean", 346_663_984, "32fa31d27d2e1cad72775fee3f4849a9", 2_620, 40, 5.40),
    ("test-other", 328_757_843, "fb5a50374b501bb3bac4815ee91d3135", 2_939, 33, 5.34),
    ("train-clean-100", 6_387_309_499, "2a93770f6d5c6c964bc36631d331a522", 28_539, 251, 100.59),
    ("train-clean-360", 23_049_477_885, "c0e676e450a7ff2f54aeade5171606fa", 104_014, 921, 363.61),
    ("train-other-500", 30_593_501_606, "d1a0fd59409feb2c614ce4d30c387708", 148_688, 1_166, 496.86),
]
_LIBRITTS_SUBSETS = [
    ("dev-clean", 1_291_469_655, "0c3076c1e5245bb3f0af7d82087ee207", 5_736, 40, 8.97),
    ("dev-other", 924_804_676, "815555d8d75995782ac3ccd7f047213d", 4_613, 33, 6.43),
    ("test-clean", 1_230_670_113, "7bed3bdb047c4c197f1ad3bc412db59f", 4_837, 39, 8.56),
    ("test-other", 964_502_297, "ae3258249472a13b5abef2a816f733e4", 5_120, 33, 6.69),
    ("train-clean-100", 7_723_686_890, "4a8c202b78fe1bc0c47916a98f3a2ea8", 33_236, 247, 53.78),
    ("train-clean-360", 27_504_073_644, "a84ef10ddade5fd25df69596a2767b2d", 116_500, 904, 191.29),
    ("train-other-500", 44_565_031_479, "7b181dd5ace343a5f38427999684aa6f", 205_044, 1_160, 310.08),
]
_SLURP_FILES = (
    Source("train.jsonl", SLURP_TEXT, None, "git:c7568b5661ea802c9e41204af3d30ef892dcd5c9"),
    Source("devel.jsonl", SLURP_TEXT, 2_221_203, "git:de034fadea8caa5a3c08c387b2a750f37737729d"),
    Source("test.jsonl", SLURP_TEXT, 3_267_569, "git:d98a6962767dd6a03cae20c31d03c7bf7e4c36af"),
    Source("metadata.json", SLURP_TEXT, None, "git:7e5cdbe5f7dcc900fad8ca22aca1a0c249bb01fc"),
    Source("train_synthetic.jsonl", SLURP_TEXT, None, "git:42a7c199979dcbceb3a83603dff1d3aaa14c70a4"),
)

CORPORA = {
    "librispeech": PublishedCorpus(
        title="LibriSpeech",
        variable="LIBRISPEECH",
        archives=_subsets("LibriSpeech", LIBRISPEECH, _LIBRISPEECH_SUBSETS, unpacked=1.05),
        chosen=tuple(name for name, *_ in _LIBRISPEECH_SUBSETS),
    ),
    "libritts": PublishedCorpus(
        title="LibriTTS",
        variable="LIBRITTS",
        archives=_subsets("LibriTTS", LIBRITTS, _LIBRITTS_SUBSETS, unpacked=1.25),
        chosen=tuple(name for name, *_ in _LIBRITTS_SUBSETS),
    ),
    "slurp": PublishedCorpus(
        title="SLURP",
        variable="SLURP",
        own_folder=False,
        archives={
            "slurp_real": Archive(
                source=Source(
                    "slurp_real.tar.gz", SLURP_AUDIO, 3_918_185_662, "md5:9efc0f058ced47bf5131c7cb2cade513"
                ),
                inside="slurp_real",
                places=("audio/slurp_real", "scripts/audio/slurp_real", "slurp_real"),
                annotations=_SLURP_FILES[:4],
                parts={
                    "train": Counts(sentences=11_514),
                    "dev": Counts(8_690, sentences=2_033),
                    "test": Counts(13_078, sentences=2_974),
                },
            ),
            "slurp_synth": Archive(
                # Of this one neither size nor checksum was found: what the server says is all there is.
                source=Source("slurp_synth.tar.gz", SLURP_AUDIO),
                inside="slurp_synth",
                places=("audio/slurp_synth", "scripts/audio/slurp_synth", "slurp_synth"),
                annotations=_SLURP_FILES,
                parts={"train_synthetic": Counts()},
            ),
        },
        chosen=("slurp_real",),
        annotation_places=("dataset/slurp", "slurp", "."),
    ),
}
"""By the name of the dataset's yaml."""
