"""LibriTTS in its published layout, spoken by eSpeak NG: subsets, the official list and the drawn one."""

from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from benchmark.data.audio import resample
from benchmark.data.corpora.libritts import TESTSET_B_START, LibriTTS
from benchmark.data.manifest import Manifest
from benchmark.data.synthesis.espeak import SYNTHESIS_RATE, synthesize
from benchmark.errors import UserError
from benchmark.storage.artifacts import ArtifactStore

RATE = 24_000
SPLITS = {"train": ["train-clean-100"], "dev": ["dev-clean"], "test": ["test-clean"]}
SPEAKERS = {"train-clean-100": ("19", "26"), "dev-clean": ("84",), "test-clean": ("1089", "121", "237")}
VOICES = {"19": "f1", "26": "m1", "84": "f2", "1089": "m4", "121": "f3", "237": "f4"}
SHORT, LONG = "Mister Smith had three dogs.", "In the morning " + "they walked slowly along the river, " * 3


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six utterances per speaker; the last two are longer than 3 s, and the last is the longest."""
    root = tmp_path_factory.mktemp("corpora") / "LibriTTS"
    rows = ["; comments", ";ID  |SEX| SUBSET | MINUTES| NAME"]
    for subset, speakers in SPEAKERS.items():
        for speaker in speakers:
            rows.append(f"{speaker:<5}| {'FM'[VOICES[speaker][0] == 'm']} | {subset} | 8.02 | A Reader")
            folder = root / subset / speaker / "7"
            folder.mkdir(parents=True)
            for number, text in enumerate([SHORT] * 4 + [LONG, LONG + LONG]):
                stem = f"{speaker}_7_{number:06d}_000000"
                speech = synthesize(text, "en-us", VOICES[speaker]).astype("float32") / 32768
                soundfile.write(folder / f"{stem}.wav", resample(speech, SYNTHESIS_RATE, RATE), RATE)
                (folder / f"{stem}.normalized.txt").write_text(text + "\n")
                (folder / f"{stem}.original.txt").write_text(text.replace("Mister", "Mr."))
    (root / "SPEAKERS.txt").write_text("\n".join(rows) + "\n")
    return root


def corpus(root: Path, **more: object) -> LibriTTS:
    arguments: dict = {"name": "libritts", "root": str(root), "splits": SPLITS, "test_utterances": 6} | more
    return LibriTTS(**arguments)


@pytest.fixture
def listed(tmp_path: Path) -> Callable[..., str]:
    def write(*lines: str) -> str:
        path = tmp_path / "testsetB_utt2prompt"
        path.write_text("\n".join(lines) + "\n")
        return str(path)

    return write


def ids(manifest: Manifest) -> list[str]:
    return [utterance.utterance_id for utterance in manifest]


def test_reads_the_published_layout(tree: Path, store: ArtifactStore) -> None:
    train = corpus(tree).manifest("train", store)
    assert ids(train) == [f"{s}_7_{i:06d}_000000" for s in ("19", "26") for i in range(6)]
    one = train["26_7_000000_000000"]
    assert (one.speaker_id, one.gender, one.language) == ("26", "M", "en")
    assert one.text == SHORT  # normalized, not the original "Mr."
    path = tree / "train-clean-100/26/7/26_7_000000_000000.wav"
    assert Path(one.audio_path) == path and one.duration == soundfile.info(path).frames / RATE
    assert len(corpus(tree.parent).manifest("dev", store)) == 6


def test_genders_come_from_either_table_of_speakers(tree: Path, store: ArtifactStore) -> None:
    table = tree / "SPEAKERS.txt"
    text = table.read_text()
    table.unlink()
    try:
        assert {u.gender for u in corpus(tree).manifest("train", store)} == {None}
        (tree / "speakers.tsv").write_text("READER\tGENDER\tSUBSET\tNAME\n26\tM\ttrain-clean-100\n")
        assert corpus(tree).manifest("train", store)["26_7_000000_000000"].gender == "M"
    finally:
        (tree / "speakers.tsv").unlink()
        table.write_text(text)


def test_without_a_list_utterances_are_drawn_and_nobody_takes_them_for_testset_b(
    tree: Path, store: ArtifactStore
) -> None:
    drawn = corpus(tree)
    test, prompts = drawn.manifest("test", store), drawn.manifest("test_prompts", store)
    assert [u.speaker_id for u in test] == ["1089"] * 2 + ["121"] * 2 + ["237"] * 2
    # The shortest of 3 s or more, and never among the targets.
    assert ids(prompts) == [f"{s}_7_000004_000000" for s in ("1089", "121", "237")]
    assert not set(ids(prompts)) & set(ids(test)) and all(p.duration >= 3 for p in prompts)
    chosen = drawn.listed_prompts(store)
    assert chosen is not None and sorted(chosen) == ids(test)
    assert all(prompt.speaker_id == test[name].speaker_id for name, prompt in chosen.items())
    assert drawn.split_label("test") == "test-clean-6 (seeded, not testset-B)"
    assert drawn.split_label("train") == "train"
    others = {tuple(ids(corpus(tree, seed=seed).manifest("test", store))) for seed in range(6)}
    assert len(others) > 1 and tuple(ids(test)) in others


def test_too_few_utterances_to_draw_from_say_how_many_there_are(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"test_utterances=500: test-clean has 15 .* to 15 or fewer"):
        corpus(tree, test_utterances=500).build("test", tmp_path)


def test_the_subset_whole(tree: Path, store: ArtifactStore) -> None:
    whole = corpus(tree, test_utterances=None)
    assert len(whole.manifest("test", store)) == 18
    assert whole.prompt_split is whole.listed_prompts(store) is None
    assert whole.split_label("test") == "test"
    with pytest.raises(UserError, match="test_prompts"):
        whole.identity("test_prompts")


def test_the_list_is_the_test_split(tree: Path, store: ArtifactStore, listed: Callable[..., str]) -> None:
    prompt = "121_7_000005_000000"
    path = listed(f"121_7_000001_000000 {prompt}", f"121_7_000000_000000\t{prompt}", "")
    given = corpus(tree, test_list=path)
    assert ids(given.manifest("test", store)) == ["121_7_000000_000000", "121_7_000001_000000"]
    prompts = given.listed_prompts(store)
    assert prompts is not None and {u.utterance_id for u in prompts.values()} == {prompt}
    assert given.split_label("test") == "test-clean-2 (listed, not testset-B)"
    before = given.identity("test")
    again = corpus(tree, test_list=listed(f"121_7_000000_000000 {prompt}", f"121_7_000001_000000 {prompt}"))
    assert again.identity("test") == before  # neither the file's place nor its order matters
    shorter = corpus(tree, test_list=listed(f"121_7_000000_000000 {prompt}"))
    assert shorter.identity("test") != before and shorter.identity("train") == given.identity("train")


def test_only_the_published_list_is_called_testset_b(
    tree: Path, listed: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = dict(TESTSET_B_START)
    for speaker in range(2000, 2036):
        pairs |= {f"{speaker}_1_{n:06d}_000000": f"{speaker}_1_999999_000000" for n in range(13)}
    pairs |= {f"1089_1_{n:06d}_000000": "1089_134686_000032_000008" for n in range(500 - len(pairs))}
    given = corpus(tree, test_list=listed("1 2"))
    monkeypatch.setitem(given.__dict__, "_list", pairs)
    assert len(pairs) == 500 and given.split_label("test") == "testset-B"
    monkeypatch.setitem(given.__dict__, "_list", pairs | {"1089_134686_000015_000003": "1089_1_0_0"})
    assert "not testset-B" in given.split_label("test")
    few = {name: prompt for name, prompt in pairs.items() if not name.startswith("2035")}
    monkeypatch.setitem(given.__dict__, "_list", few)
    assert "not testset-B" in given.split_label("test")


@pytest.mark.parametrize(
    ("line", "story"),
    [
        ("121_7_000000_000000", "not two ids: 121_7_000000_000000"),
        ("121_7_000001_000000 121_7_000005_000000", "listed twice: 121_7_000001_000000"),
        ("121_7_000009_000000 121_7_000005_000000", "not in test-clean: 121_7_000009_000000"),
        (
            "19_7_000000_000000 19_7_000001_000000",
            "not in test-clean: 19_7_000000_000000, 19_7_000001_000000",
        ),
        ("237_7_000000_000000 121_7_000005_000000", "prompted by another speaker: 237_7_000000_000000"),
    ],
)
def test_a_damaged_list_is_refused_with_its_ids(
    tree: Path, listed: Callable[..., str], line: str, story: str
) -> None:
    path = listed("121_7_000001_000000 121_7_000004_000000", line)
    with pytest.raises(UserError, match=f"damaged.*{story}"):
        corpus(tree, test_list=path).identity("test")


def test_an_utterance_that_prompts_itself_is_kept_and_said(
    tree: Path, store: ArtifactStore, listed: Callable[..., str], caplog: pytest.LogCaptureFixture
) -> None:
    own, other = "121_7_000005_000000", "237_7_000001_000000"
    given = corpus(tree, test_list=listed(f"{own} {own}", f"{other} 237_7_000005_000000"))
    with caplog.at_level("INFO"):
        assert ids(given.manifest("test", store)) == [own, other]
    assert f"1 of 2 utterances prompted by themselves, as published: {own}" in caplog.text
    prompts = given.listed_prompts(store)
    assert prompts is not None and prompts[own].utterance_id == own


def test_an_empty_or_missing_list_says_what_to_do(tree: Path, listed: Callable[..., str]) -> None:
    with pytest.raises(UserError, match="it is empty"):
        corpus(tree, test_list=listed("")).identity("test")
    with pytest.raises(UserError, match=r"no file '/no/list'.*DATASET=testset_b.*test_list=null"):
        corpus(tree, test_list="/no/list").identity("test")
