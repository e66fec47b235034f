"""Tests that the table of tokenizers covers every yaml and is made without weights or a network."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmark.jobs.catalogue import tokenizers as tokenizer_sheet
from benchmark.jobs.catalogue.tokenizers import configured, facts, sheet
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokenizers.ground_truth import GroundTruth
from benchmark.tokenizers.lyra import Lyra
from benchmark.tokenizers.pretrained import Pretrained
from benchmark.types import TokenizerSpec
from tests.door import door

ROOT = Path(__file__).resolve().parents[2]
SHEET = ROOT / "docs" / "reference" / "tokenizers.md"
NAMES = sorted(path.stem for path in (ROOT / "conf" / "tokenizer").glob("*.yaml"))
LABELS = sorted("shuffled_whisper_kmeans" if name == "shuffled" else name for name in NAMES)
"""Names in rows: a floor is called after its base."""
VARIABLES = ("LYRA", "WHISPER", "CACHE", "RESULTS", "HF_HOME", "HF_HUB_CACHE", "LIBRISPEECH")


@pytest.fixture(scope="module", autouse=True)
def _no_weights() -> Iterator[None]:
    """Make every request for weights fail."""

    def folder(tokenizer: Pretrained) -> Path:
        raise AssertionError(f"{tokenizer.name} asked for its weights")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pretrained, "folder", property(folder))
        yield


@pytest.fixture(scope="module")
def found() -> list[Tokenizer]:
    """Build all tokenizers where no variable names a folder."""
    with pytest.MonkeyPatch.context() as patch:
        for name in VARIABLES:
            patch.delenv(name, raising=False)
        return configured()


def cells(text: str) -> dict[str, list[str]]:
    """Return the cells of every line of the table, by the first cell."""
    lines = [re.split(r"(?<!\\)\|", line)[1:-1] for line in text.splitlines() if line.startswith("|")]
    return {line[0].strip(): [cell.strip() for cell in line] for line in lines[2:]}


def test_every_yaml_has_a_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    found: list[Tokenizer],
) -> None:
    monkeypatch.setattr(tokenizer_sheet, "configured", lambda: found)
    assert door("catalogue", ["tokenizers"]) == 0
    printed = capsys.readouterr().out
    assert door("catalogue", ["tokenizers", "--out", f"{tmp_path}/sheet.md"]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/sheet.md\n"
    written = (tmp_path / "sheet.md").read_text(encoding="utf-8")
    assert sorted(cells(printed)) == sorted(cells(written)) == LABELS
    for name, line in cells(written).items():
        assert cells(printed)[name][: len(line)] == line  # the machine's columns come last
    assert "installed" in printed and "installed" not in written and str(ROOT) not in written
    mel = cells(written)["mel_rvq"]
    assert mel[:7] == ["mel_rvq", "acoustic", "16000", "50", "4 × 256", "1.6", "1.6"] and mel[9] == "none"
    assert cells(printed)["ground_truth"][-3:] == ["–", "–", "–"]
    assert cells(printed)["lyra_3k2"][-3] == "lyra" and cells(printed)["lyra_3k2"][-1] == "absent"


def test_the_committed_table_is_that_of_the_yamls_on_every_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: list[Tokenizer]
) -> None:
    """The sheet is the same with another cache, and with or without weights and corpora."""
    written = SHEET.read_text(encoding="utf-8")
    assert written == sheet(found, with_machine=False), "run `make sheets` and commit the file"
    for name in VARIABLES:
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    assert written == sheet(configured(), with_machine=False)


def test_facts_that_few_tokenizers_have() -> None:
    spec = TokenizerSpec(
        name="odd",
        kind="acoustic-disentangled",
        sample_rate=16_000,
        output_rate=24_000,
        frame_rate=50.0,
        codebook_frame_rates=(12.5, 25.0, 50.0, 50.0),
        codebook_sizes=(4096, 1024, 1024, 1024),
        causal=False,
        can_decode=True,
        decode_needs_prompt=True,
        supports_padding=False,
        side_info="global tokens",
        side_info_bits=384,
        licence="unknown (none stated)",
        checkpoint="some/one",
        revision="0123456789abcdef0123456789abcdef01234567",
    )
    assert facts(spec) == [
        *("odd", "acoustic-disentangled", "16000 → 24000", "12.5 / 25 / 50", "1 × 4096 + 3 × 1024"),
        *("1.4", "1.4"),
        *("global tokens: 384 bit", "no", "own, with prompt", "equal length"),
        *("unknown (none stated)", "some/one@0123456789"),
    ]


def test_whole_bits_give_the_bitrates_of_the_surveys_table(found: list[Tokenizer]) -> None:
    published = {"lscodec_50hz": 0.45, "vq_wav2vec": 1.8, "wav2vec2_vq": 0.9, "wavlm_large_l24": 0.55}
    published |= {"snac_24khz": 0.98, "mimi": 1.1, "wavtokenizer_small_75": 0.9}
    specs = {tokenizer.name: tokenizer.spec for tokenizer in found if tokenizer.name in published}
    assert {name: round(spec.whole_bit_rate / 1000, 2) for name, spec in specs.items()} == published
    assert {name: round(specs[name].bitrate / 1000, 2) for name in published} == published | {
        "lscodec_50hz": 0.41,
        "vq_wav2vec": 1.66,
        "wav2vec2_vq": 0.83,
    }


def test_a_library_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizers = [GroundTruth(name="a"), Lyra(name="b", checkpoint_dir="/none")]
    monkeypatch.setattr(Lyra, "library", "no_such_library")
    table = cells(sheet(tokenizers, with_machine=True))
    assert table["a"][-3:] == ["–", "–", "–"] and table["b"][-3:] == ["lyra", "no", "absent"]


def test_a_wrong_yaml_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def build(_: object) -> None:
        raise tokenizer_sheet.UserError("it is wrong")

    monkeypatch.setattr(tokenizer_sheet, "build", build)
    assert door("catalogue", ["tokenizers"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"error: conf/tokenizer/{NAMES[0]}.yaml: it is wrong")
