"""The published list of conversion pairs, by its real ids, on LibriTTS with testset-B."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from benchmark.data.corpora.libritts import LibriTTS
from benchmark.errors import UserError
from benchmark.models.vocoder.config import VocoderConfig
from benchmark.storage.artifacts import ArtifactStore
from benchmark.tasks.decoding.prompts import own_prompts
from benchmark.tasks.reconstruction import Reconstruction
from benchmark.tasks.voice_conversion import VoiceConversion
from benchmark.tokenizers.facodec import Facodec

PUBLISHED = Path(__file__).parents[1] / "data" / "fixtures" / "utt2prompt"
"""First line of each of the 37 speakers in LSCodec's list of conversion prompts, which is
LSCodec/audio_ready/VC/utt2prompt of cantabile-kwok.github.io at commit c294db4."""
LINES = [line.split() for line in PUBLISHED.read_text().splitlines()]
PROMPT_OF = {prompt.partition("_")[0]: prompt for _, prompt in LINES}
ALONE = "672_122797_000002_000002"
"""The one utterance of its speaker, which is its own prompt."""


def gender(speaker: str) -> str:
    """A gender by the last digit of the id: made up, because the table of readers is not at hand."""
    return "FM"[int(speaker) % 2]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 37 sources and 37 prompts at 24 kHz, a table of readers, and testset-B's own list."""
    root = tmp_path_factory.mktemp("corpora") / "LibriTTS"
    noise = 0.1 * np.random.default_rng(0).standard_normal(4800)
    for name in {name for line in LINES for name in line}:
        speaker, chapter, *_ = name.split("_")
        path = root / "test-clean" / speaker / chapter / f"{name}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, noise, 24_000)
        path.with_suffix(".normalized.txt").write_text("hello")
    rows = [f"{speaker:<5}| {gender(speaker)} | test-clean | 8.02 | A Reader" for speaker in PROMPT_OF]
    (root / "SPEAKERS.txt").write_text("\n".join([";ID  |SEX| SUBSET | MINUTES| NAME", *rows]) + "\n")
    own = [f"{name} {PROMPT_OF[name.partition('_')[0]]}\n" for name, _ in LINES]
    (root / "testsetB_utt2prompt").write_text("".join(own))
    return root


@pytest.fixture
def corpus(tree: Path) -> LibriTTS:
    listed = str(tree / "testsetB_utt2prompt")
    return LibriTTS(name="libritts", root=str(tree), splits={"test": ["test-clean"]}, test_list=listed)


@pytest.fixture
def conversion(metrics: Any) -> Callable[..., VoiceConversion]:
    return lambda **more: VoiceConversion(
        name="voice_conversion", metrics=metrics, vocoder=VocoderConfig(name="unused"), **more
    )


def test_the_published_list_is_read_as_it_is(
    corpus: LibriTTS, store: ArtifactStore, conversion: Callable[..., VoiceConversion]
) -> None:
    sources, pairing, targets = conversion(pairs=str(PUBLISHED)).conversion(corpus, store)
    assert len(sources) == 37 and {name: prompt.utterance_id for name, prompt in targets.items()} == dict(
        LINES
    )
    for pair in pairing.pairs:
        speakers = pair.source_id.partition("_")[0], pair.target_id.partition("_")[0]
        assert pair.target_speaker == speakers[1] != speakers[0]
        same = gender(speakers[0]) == gender(speakers[1])
        assert pair.condition == ("same_gender" if same else "cross_gender")
    counts = pairing.counts()
    assert sum(counts.values()) == 37 and min(counts["same_gender"], counts["cross_gender"]) > 5
    assert pairing.left_out == {"cross_lingual": "utt2prompt has no such pair"}


def test_the_list_and_its_csv_are_the_same_pairs(
    corpus: LibriTTS, store: ArtifactStore, conversion: Callable[..., VoiceConversion], tmp_path: Path
) -> None:
    published = conversion(pairs=str(PUBLISHED)).conversion(corpus, store).pairing
    (tmp_path / "pairs.csv").write_text(published.to_csv())
    again = conversion(pairs=str(tmp_path / "pairs.csv")).conversion(corpus, store).pairing
    assert again.pairs == published.pairs and again.digest == published.digest
    (tmp_path / "list").write_text("".join(f"{a}\t {b}\r\n\n" for a, b in reversed(LINES)))
    assert conversion(pairs=str(tmp_path / "list")).conversion(corpus, store).pairing.pairs == again.pairs


def test_without_genders_there_are_pairs_but_no_conditions(
    tree: Path, corpus: LibriTTS, store: ArtifactStore, conversion: Callable[..., VoiceConversion]
) -> None:
    corpus.__dict__["_genders"] = {}  # as without a table of readers
    pairing = conversion(pairs=str(PUBLISHED)).conversion(corpus, store).pairing
    assert pairing.counts() == {"any_speaker": 37}
    assert "37 of speakers whose gender is not known" in pairing.left_out["same_gender"]


@pytest.mark.parametrize(
    ("lines", "story"),
    [
        (
            [f"1_1_{n:06d}_000000 {ALONE}" for n in range(7)],
            r"unknown source: 1_1_000000_000000, .*, 1_1_000004_000000 and 2 more\. .*TESTSET_B=",
        ),
        (["260_123286_000005_000001 1_1_000000_000000"], r"unknown target: 1_1_000000_000000\. "),
        (
            [f"260_123286_000005_000001 {ALONE}", f"260_123286_000005_000001 {PROMPT_OF['121']}"],
            r"source listed twice: 260_123286_000005_000001\. ",
        ),
        ([f"{ALONE} {ALONE}"], f"prompted by itself: {ALONE}"),
        (
            ["260_123286_000005_000001", f"a b {ALONE}"],
            f"not two ids: 260_123286_000005_000001, a b {ALONE}",
        ),
        (
            [f"{ALONE} {ALONE}", "alone"],
            f"not two ids: alone; prompted by itself: {ALONE}",
        ),
        (["source_id,target_id"], "needs the columns source_id,"),
        ([""], "it has no pair"),
    ],
)
def test_a_wrong_list_is_one_sentence(
    corpus: LibriTTS,
    store: ArtifactStore,
    conversion: Callable[..., VoiceConversion],
    tmp_path: Path,
    lines: list[str],
    story: str,
) -> None:
    path = tmp_path / "utt2prompt"
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(UserError, match=f"task.pairs: {path}.*{story}") as caught:
        conversion(pairs=str(path)).conversion(corpus, store)
    assert "\n" not in str(caught.value)


def test_a_prompt_without_its_file_is_named(
    tree: Path, corpus: LibriTTS, store: ArtifactStore, conversion: Callable[..., VoiceConversion]
) -> None:
    prompt = PROMPT_OF["8455"]
    path = tree / "test-clean" / "8455" / prompt.split("_")[1] / f"{prompt}.wav"
    content = path.read_bytes()
    path.unlink()
    path.symlink_to("nowhere.wav")
    try:
        with pytest.raises(UserError, match=f"prompt file missing or damaged: {prompt}"):
            conversion(pairs=str(PUBLISHED)).conversion(corpus, store)
    finally:
        path.unlink()
        path.write_bytes(content)


def test_the_utterance_that_is_its_own_prompt_is_kept_counted_and_said(
    corpus: LibriTTS, store: ArtifactStore, metrics: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        test = corpus.manifest("test", store)
    assert f"1 of 37 utterances prompted by themselves, as published: {ALONE}" in caplog.text
    prompts = own_prompts(corpus, test, store)
    assert len(prompts) == 37 and prompts[ALONE] == test[ALONE]
    codec = Facodec(name="facodec", checkpoint="/none")
    task = Reconstruction(name="reconstruction", metrics=metrics, vocoder=VocoderConfig(name="unused"))
    assert task._voice(codec, test, prompts)["self_prompted"] == 1
    own = {utterance.utterance_id: utterance for utterance in test}
    task.prompt = "original"
    assert "self_prompted" not in task._voice(codec, test, own)


def test_nobody_is_converted_by_a_recording_of_itself(
    corpus: LibriTTS, store: ArtifactStore, conversion: Callable[..., VoiceConversion]
) -> None:
    _, pairing, _ = conversion(conditions=["self"]).conversion(corpus, store)
    assert all(pair.source_id != pair.target_id for pair in pairing.pairs)
    conditions = {pair.source_id: pair.condition for pair in pairing.pairs}
    assert conditions.pop(ALONE) == "any_speaker" and set(conditions.values()) == {"self"}
