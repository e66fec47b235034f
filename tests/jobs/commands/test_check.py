"""The command that checks one tokenizer, also one from outside, against the contract."""

from functools import partial
from pathlib import Path

import pytest

from benchmark.errors import UserError
from benchmark.jobs.commands import check
from benchmark.tokenizers.encoding.full_contract import CHECKS
from tests.door import door

main = partial(door, "check")
OWN = """
import torch
from benchmark.tokenizers.base import Tokenizer
from benchmark.types import TokenizerSpec
from dataclasses import dataclass

@dataclass(kw_only=True)
class {name}(Tokenizer):
    rate: float = 50

    @property
    def spec(self):
        return TokenizerSpec(
            name=self.name, kind="acoustic", sample_rate=16_000, frame_rate=self.rate, codebook_sizes=(16,),
            causal=True, can_decode={decodes}, supports_padding=True,
        )

    def _encode(self, wav, lengths):
        loudness = wav.unfold(-1, 320, 320).abs().mean(-1).clamp(min=1e-5).log2()
        return (loudness + 16).clamp(0, 15).long()[:, None], (lengths + 319) // 320
{more}
"""
LOUD = """
    def _decode(self, codes, lengths):
        wav = (codes[:, 0].float() - 16).exp2().repeat_interleave(320, dim=-1)
        return 10 * wav / wav.sum()  # depends on the batch
"""


def own(folder: Path, name: str, decodes: bool = False, more: str = "") -> list[str]:
    """Write a tokenizer into a folder outside the package, and return the arguments that name it."""
    (folder / f"{name.lower()}.py").write_text(OWN.format(name=name, decodes=decodes, more=more))
    (folder / "tokenizer").mkdir()
    target = f"_target_: {name.lower()}.{name}"
    (folder / "tokenizer" / "mine.yaml").write_text(f"{target}\nname: mine\nrate: 50\n")
    return ["--config-dir", str(folder), "tokenizer=mine"]


def lines(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Return what the command printed, by name of the check."""
    return {line.split()[1]: line for line in capsys.readouterr().out.splitlines()}


def test_one_line_for_each_check_of_a_fitted_tokenizer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tokenizer=mel_rvq", "tokenizer.codebook_size=16", "tokenizer.num_codebooks=2"]) == 0
    said = lines(capsys)
    assert list(said) == [*CHECKS, "delay"] and all(line.startswith("ok ") for line in said.values())
    assert "50, 51, 74, 1 frames for 16000, 16001, 23456, 100 samples" in said["codes"]


def test_the_delay_of_a_decoder_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tokenizer=ground_truth"]) == 0
    assert "0.0 ms" in lines(capsys)["delay"]


def test_one_from_outside_passes_and_a_wrong_rate_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    arguments = own(tmp_path, "OutsideRate")
    assert main(arguments) == 0
    assert all(line.startswith("ok ") for line in lines(capsys).values())
    assert main([*arguments, "tokenizer.rate=12.5"]) == 1
    said = lines(capsys)
    assert said["facts"].startswith("ok ") and "± 1 at frame_rate=12.5" in said["identity"]
    assert said["codes"].startswith("FAILS") and "declared rate sample_rate / hop?" in said["codes"]


def test_wrong_facts_end_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    assert main(own(tmp_path, "OutsideFacts", decodes=True)) == 1
    (line,) = lines(capsys).values()
    assert line.startswith("FAILS  facts") and "can_decode=True, but OutsideFacts has no _decode" in line


def test_a_decoder_that_depends_on_the_batch_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    assert main(own(tmp_path, "OutsideLoud", decodes=True, more=LOUD)) == 1
    said = lines(capsys)
    assert said["stable"].startswith("ok ") and said["decoding"].startswith("FAILS")
    assert "with the other utterances of the batch" in said["decoding"]


def test_missing_weights_are_named_with_the_command_that_fetches_them() -> None:
    arguments = ["tokenizer=mimi", "tokenizer.checkpoint=nobody/nothing_here", "tokenizer.revision=abc"]
    with pytest.raises(UserError, match=r"mimi cannot be checked on this machine.*nothing_here.*hf download"):
        check.main(arguments)
