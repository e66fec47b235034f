"""Published archives of LibriSpeech, LibriTTS and SLURP, with checksums and the amount of data in each part.

LibriSpeech (https://www.openslr.org/12): MD5 from the server's md5sum.txt; sizes from Kaldi's
egs/librispeech/s5/local/download_and_untar.sh; utterances as counted by TensorFlow Datasets; speakers and
hours are sums over the corpus's own SPEAKERS.TXT. (Table 1 of Panayotov et al., ICASSP 2015, has the hours
of dev-other and test-other interchanged: 5.3 and 5.1.)

LibriTTS (https://www.openslr.org/60): MD5 from torchaudio 0.7; sizes from ESPnet's
egs/libritts/tts1/local/download_and_untar.sh; utterances as counted by TensorFlow Datasets; speakers and
hours from Zen et al., Interspeech 2019. The corpus's 585 hours by 2,456 speakers are all seven subsets; the
three for training have 555 hours. Only these two totals were compared with the paper; the numbers by subset
are merely known to add up to them.

SLURP (https://github.com/pswietojanski/slurp): size and MD5 of slurp_real from Zenodo's record 4274930. The
annotations are those of one commit, and their checksums are the names that git gives to their content. For
train and for the synthetic part only rounded numbers of recordings were found; they are not needed, because
the annotations list every recording and so tell what is missing. Numbers of sentences are from MASSIVE, which
keeps the splits. Hours and speakers of the splits are not published.

Testset-B (https://cpdu.github.io/unicats) is LibriTTS's test-clean with a list of 500 utterances by 37
speakers and their prompts. The conversion list is that of LSCodec's page, which Guo et al. 2025 name as
theirs (arXiv 2502.06490v4, footnote 17): the same utterances, each with the prompt of one other speaker. Its
address names a commit; of the first list neither size nor checksum was found.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from benchmark.data.corpora.libritts import TESTSET_B_SIZE

LIBRISPEECH = "https://www.openslr.org/resources/12/"
LIBRITTS = "https://www.openslr.org/resources/60/"
UNICATS = "https://cpdu.github.io/unicats/resources/"
LSCODEC_COMMIT = "c294db4d79cc137864bc75fc8dde03038243a944"
LSCODEC_PAGE = f"https://raw.githubusercontent.com/cantabile-kwok/cantabile-kwok.github.io/{LSCODEC_COMMIT}/"
SLURP_AUDIO = "https://zenodo.org/records/4274930/files/"
SLURP_COMMIT = "8eb16545762be97ace75334109d73824217311f1"
SLURP_TEXT = f"https://raw.githubusercontent.com/pswietojanski/slurp/{SLURP_COMMIT}/dataset/slurp/"


@dataclass(frozen=True)
class Source:
    """A file to download from the address `base`, which ends with a slash."""

    name: str
    base: str
    size: int | None = None
    """Size in bytes; None if only the server knows."""
    checksum: str | None = None
    """Checksum as "md5:…", or as "git:…", the name that git gives to the content; None if none was found."""


@dataclass(frozen=True)
class Counts:
    """The amount of data in one part of a corpus; None for numbers that are not published."""

    utterances: int | None = None
    speakers: int | None = None
    hours: float | None = None
    sentences: int | None = None
    """Number of sentences, for corpora with several recordings of a sentence."""


@dataclass(frozen=True)
class Archive:
    """One published archive and the corpus folder it holds."""

    source: Source
    inside: str
    """Folder inside the archive."""
    places: tuple[str, ...]
    """Possible places of that folder in the corpus; the archive is unpacked to the first one."""
    parts: dict[str, Counts]
    """Published counts of each part: the subset itself, or the splits whose recordings are in the archive."""
    unpacked: float = 1.05
    """Approximate ratio of the unpacked to the packed size."""
    annotations: tuple[Source, ...] = ()
    """Further files that the parts need."""


@dataclass(frozen=True)
class PublishedCorpus:
    """A published corpus with its archives."""

    title: str
    variable: str
    """Environment variable that names the corpus folder."""
    archives: dict[str, Archive]
    """Archives by subset."""
    chosen: tuple[str, ...]
    """Subsets that are used if the user names none."""
    own_folder: bool = True
    """True if the archives hold a folder named like `title`, which lies in the root given by the user."""
    annotation_places: tuple[str, ...] = ()
    """Possible folders of the annotations; new ones are written to the first."""
    settings: dict[str, str] = field(default_factory=dict)
    """Annotation by the setting that takes its path, such as TESTSET_B."""


def _subsets(
    title: str, base: str, rows: Iterable[tuple[str, int, str, int, int, float]], unpacked: float
) -> dict[str, Archive]:
    """Build the archives from rows of subset, bytes, MD5, utterances, speakers and hours."""
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

_LIBRITTS = _subsets("LibriTTS", LIBRITTS, _LIBRITTS_SUBSETS, unpacked=1.25)

PROMPT_LIST, CONVERSION_LIST = "testsetB_utt2prompt", "utt2prompt"
"""Published names of the lists of testset-B: prompts by the same speaker, and by another one."""
_TEST_CLEAN = _LIBRITTS["test-clean"]
_TESTSET_B = replace(
    _TEST_CLEAN,
    annotations=(
        Source(PROMPT_LIST, UNICATS),
        Source(CONVERSION_LIST, f"{LSCODEC_PAGE}LSCodec/audio_ready/VC/", 25_212),
    ),
    parts=_TEST_CLEAN.parts | dict.fromkeys((PROMPT_LIST, CONVERSION_LIST), Counts(*TESTSET_B_SIZE)),
)
"""The archive of test-clean with the lists of testset-B, each of which is a part of its own."""

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
        archives=_LIBRITTS,
        chosen=tuple(_LIBRITTS),
    ),
    "testset_b": PublishedCorpus(
        title="LibriTTS",
        variable="LIBRITTS",
        archives={"test-clean": _TESTSET_B},
        chosen=("test-clean",),
        annotation_places=("testset-B",),
        settings={"TESTSET_B": PROMPT_LIST, "UTT2PROMPT": CONVERSION_LIST},
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
                # Neither size nor checksum of this archive was found, so the server is trusted.
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
"""Published corpora by the name of the dataset's yaml."""
