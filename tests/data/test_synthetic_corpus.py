import subprocess
import sys
from collections import Counter
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import pytest
import soundfile

from benchmark.data.audio import read_audio
from benchmark.data.corpora.synthetic import SPEAKERS, Synthetic
from benchmark.data.manifest import Manifest
from benchmark.data.synthesis.espeak import SYNTHESIS_RATE, require_espeak, variant_lines
from benchmark.data.synthesis.grammar import intents
from benchmark.errors import UserError
from benchmark.storage.artifacts import ArtifactStore

TINY = {"train_utterances": 24, "dev_utterances": 12, "test_utterances": 12, "seed": 0}

# The same on every machine. When a change of voices, grammar or rendering is meant, raise
# `Synthetic.version` and put the new digests here.
GOLDEN = {
    "train": "c4f90fab058fa82b",
    "dev": "fcd60babec61be07",
    "test": "a6ea7263b2101ca7",
    "test_de": "0d5cd0a639c1b01d",
    "test_fr": "8e69cc88124649e4",
    "test_es": "70d5a6f099fe9993",
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Manifest]:
    store = ArtifactStore(tmp_path_factory.mktemp("synthetic"))
    corpus = Synthetic(name="synthetic", **TINY)
    return {split: corpus.manifest(split, store) for split in GOLDEN}


@pytest.mark.parametrize("split", list(GOLDEN))
def test_digest_is_the_one_of_every_machine(tiny: dict[str, Manifest], split: str) -> None:
    assert tiny[split].digest == GOLDEN[split]


def test_another_process_makes_the_same_bytes_in_another_order(
    tiny: dict[str, Manifest], tmp_path: Path
) -> None:
    code = (
        "import sys; from pathlib import Path; from benchmark.data.corpora.synthetic import Synthetic;"
        f"c = Synthetic(name='other label', **{TINY!r});"
        "[print(c.build(s, Path(sys.argv[1])).digest) for s in ('test_es', 'test', 'dev')]"
    )
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", code, str(tmp_path)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [tiny[split].digest for split in ("test_es", "test", "dev")]
    for utterance in tiny["test"]:
        name = f"{utterance.utterance_id}.wav"
        other = tmp_path / "audio" / "test" / utterance.speaker_id / name
        assert other.read_bytes() == Path(utterance.audio_path).read_bytes()


def test_speakers_are_disjoint_and_of_both_genders() -> None:
    names = [speaker.name for group in SPEAKERS.values() for speaker in group]
    assert len(names) == len(set(names)) == 21
    assert {split: len(group) for split, group in SPEAKERS.items()} == {"train": 12, "dev": 3, "test": 6}
    assert all({speaker.gender for speaker in group} == {"F", "M"} for group in SPEAKERS.values())
    voices = {(s.accent, s.variant, s.pitch) for group in SPEAKERS.values() for s in group}
    assert len(voices) == 21


def test_no_variant_is_in_two_splits_and_no_training_timbre_is_tested_under_another_name() -> None:
    _, data = require_espeak()

    def formants(variant: str) -> tuple[str, ...]:
        """Frequencies of the five lowest formants, which make a timbre."""
        lines = [line.split() for line in variant_lines(variant, data) if line.startswith("formant")]
        return tuple(words[2] for words in sorted(lines, key=lambda words: int(words[1]))[:5])

    variants = {split: {speaker.variant for speaker in group} for split, group in SPEAKERS.items()}
    assert sum(map(len, variants.values())) == len(set().union(*variants.values()))
    trained = {formants(variant) for variant in variants["train"]}
    assert not trained & {formants(variant) for variant in variants["dev"] | variants["test"]}


def test_every_split_has_every_intent_and_its_speakers(tiny: dict[str, Manifest]) -> None:
    for split in ("train", "dev", "test"):
        assert {u.intent for u in tiny[split]} == set(intents())
        assert {u.speaker_id for u in tiny[split]} == {s.name for s in SPEAKERS[split]}
        assert {u.gender for u in tiny[split]} == {"F", "M"}
        assert {u.language for u in tiny[split]} == {"en"}
        assert all(str(u.intent).startswith(f"{u.scenario}_") for u in tiny[split])
    assert len({u.text for split in ("train", "dev", "test") for u in tiny[split]}) == 48


@pytest.mark.parametrize(("split", "utterances"), [("train", 480), ("dev", 60), ("test", 96)])
def test_default_sizes_share_intents_and_work_fairly(split: str, utterances: int) -> None:
    # The script alone: nothing is spoken.
    script = list(Synthetic(name="synthetic")._script(split))
    assert len(script) == utterances
    speakers = Counter(speaker.name for speaker, _, _ in script)
    assert set(speakers.values()) == {utterances // len(SPEAKERS[split])}
    cells = Counter((speaker.name, sentence.intent) for speaker, sentence, _ in script)
    assert len(cells) == 12 * len(SPEAKERS[split])
    assert max(cells.values()) - min(cells.values()) <= 1


def test_other_languages_are_spoken_by_the_test_speakers(tiny: dict[str, Manifest]) -> None:
    for language in ("de", "fr", "es"):
        manifest = tiny[f"test_{language}"]
        assert {u.language for u in manifest} == {language}
        assert Counter(u.speaker_id for u in manifest) == {s.name: 4 for s in SPEAKERS["test"]}
        assert all(u.intent is None and u.scenario is None and u.text for u in manifest)


def test_audio_is_what_the_manifest_says(tiny: dict[str, Manifest]) -> None:
    for utterance in tiny["test"]:
        samples, rate = soundfile.read(utterance.audio_path, dtype="int16")
        assert rate == SYNTHESIS_RATE
        assert samples.ndim == 1
        assert utterance.duration == len(samples) / rate
        assert utterance.fingerprint == sha256(samples.astype("<i2").tobytes()).hexdigest()
        assert 1.0 < utterance.duration < 6.0
        loud = abs(read_audio(utterance.audio_path)) > 0.01
        assert loud.any()
        # Silence at the edges, and no more of it than a recording has.
        assert 0.05 < loud.argmax() / 16_000 < 0.3
        assert 0.05 < loud[::-1].argmax() / 16_000 < 0.3


def test_identity_holds_what_the_split_depends_on_and_nothing_else() -> None:
    base = Synthetic(name="a", **TINY).identity("train")
    assert Synthetic(name="b", **{**TINY, "test_utterances": 24}).identity("train") == base
    assert Synthetic(name="a", **{**TINY, "train_utterances": 36}).identity("train") != base
    assert Synthetic(name="a", **{**TINY, "seed": 1}).identity("train") != base
    assert base["version"] == Synthetic.version
    assert "0." in base["espeakng_loader"]


def test_seed_changes_the_sentences() -> None:
    def texts(seed: int) -> list[str]:
        return [s.text for _, s, _ in Synthetic(name="a", **{**TINY, "seed": seed})._script("train")]

    assert texts(0) != texts(1)


def test_unknown_split_is_a_user_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'test_it'.*Legal: dev, test, test_de, test_es, test_fr, train"):
        Synthetic(name="a").identity("test_it")
    with pytest.raises(UserError, match="ask for"):
        Synthetic(name="a", test_utterances=10**6).build("test", tmp_path)


def test_seed_and_sizes_are_fields() -> None:
    assert asdict(Synthetic(name="a")) == {
        "name": "a",
        "train_utterances": 480,
        "dev_utterances": 60,
        "test_utterances": 96,
        "seed": 0,
    }
