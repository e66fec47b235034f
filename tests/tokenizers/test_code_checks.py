"""Tokenizers that are wrong in every way seen: each is refused in one line, before anything is kept."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.data.audio import header, write_audio
from benchmark.data.manifest import Manifest
from benchmark.data.synthesis.voice_like import voice_like
from benchmark.errors import UserError
from benchmark.storage.artifacts import ArtifactStore
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokenizers.encoding.contract import require_facts, require_stable
from benchmark.tokenizers.encoding.encode import encode_manifest
from benchmark.tokenizers.shuffled import Shuffled
from benchmark.types import TokenizerSpec, Utterance

Result = Any
LEVELS, BOOKS, HOP = 16, 8, 320


@dataclass(kw_only=True)
class Codec(Tokenizer):
    """A right tokenizer: the loudness of eight bands."""

    @property
    def spec(self) -> TokenizerSpec:
        return TokenizerSpec(
            name=self.name,
            kind="acoustic",
            sample_rate=16_000,
            frame_rate=50,
            codebook_sizes=(LEVELS,) * BOOKS,
            causal=True,
            can_decode=False,
            supports_padding=True,
        )

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> Result:
        spectrum = torch.fft.rfft(wav.unfold(-1, HOP, HOP)).abs()[..., :160]
        loudness = spectrum.unflatten(-1, (BOOKS, 20)).mean(-1).clamp(min=1e-4).log2()
        codes = (loudness + 9).clamp(0, LEVELS - 1).long().transpose(1, 2)
        return self.spoilt(codes, (lengths + HOP - 1) // HOP, wav)

    def spoilt(self, codes: torch.Tensor, frames: torch.Tensor, wav: torch.Tensor) -> Result:
        return codes, frames


def spoils(name: str, change: Callable[..., Result], **facts: Any) -> Tokenizer:
    """Return a codec whose result is changed, and whose specification holds other facts."""

    def spec(self: Codec) -> TokenizerSpec:
        return replace(Codec.spec.fget(self), **facts)  # type: ignore[attr-defined]

    members = {"spoilt": lambda _, *given: change(*given), "spec": property(spec), "__module__": name}
    return type(f"Codec_{name}", (Codec,), members)(name=name)


def half(codes: torch.Tensor, frames: torch.Tensor, _: torch.Tensor) -> Result:
    return codes[..., ::2], (frames + 1) // 2


def by_batch(codes: torch.Tensor, frames: torch.Tensor, wav: torch.Tensor) -> Result:
    return (codes + (wav.abs().amax() * 1000).long() + len(wav)) % LEVELS, frames


def by_chance(codes: torch.Tensor, frames: torch.Tensor, _: torch.Tensor) -> Result:
    return torch.randint_like(codes, LEVELS), frames


def as_they_are(codes: torch.Tensor, frames: torch.Tensor, _: torch.Tensor) -> Result:
    return codes, frames


WRONG: dict[str, tuple[Tokenizer, str]] = {
    "transposed": (
        spoils("transposed", lambda c, n, _: (c.transpose(1, 2), n)),
        r"\(batch, frames, codebooks\)\? codes.transpose\(1, 2\)",
    ),
    "books first": (
        spoils("books_first", lambda c, n, _: (c.transpose(0, 1), n)),
        r"expected \(batch, codebooks, frames\)",
    ),
    "no books": (spoils("no_books", lambda c, n, _: (c[:, 0], n)), "axis of codebooks missing"),
    "no lengths": (spoils("no_lengths", lambda c, *_: c), "missing the lengths"),
    "other number of books": (spoils("fewer", lambda c, n, _: (c[:, :4], n)), "codebook_sizes name all 4"),
    "NumPy": (spoils("numpy", lambda c, n, _: (c.numpy(), n)), "ndarray.*torch.from_numpy"),
    "float codes": (spoils("floats", lambda c, n, _: (c + 0.5, n)), "float32, expected integers"),
    "truth values": (spoils("truth", lambda c, n, _: (c > 3, n)), "bool, expected integers"),
    "float lengths": (spoils("seconds", lambda c, n, _: (c, n / 50)), "lengths are float32"),
    "lengths of one": (spoils("one_length", lambda c, n, _: (c, n[:1].repeat(99))), "lengths have the shape"),
    "too high": (spoils("high", lambda c, n, _: (c + 10, n)), r"codebook 0 go from .* expected 0 … 15"),
    "too low": (spoils("low", lambda c, n, _: (c - 3, n)), r"codebook \d go from -\d to"),
    "half the rate": (spoils("half", half), "frame_rate=50"),
    "four times the rate": (spoils("four", as_they_are, frame_rate=12.5), "frame_rate=12.5"),
    "no whole hop": (spoils("sixty", as_they_are, frame_rate=60), r"266.67 samples per frame.*16000 / 267"),
    "lengths in samples": (spoils("samples", lambda c, n, _: (c, n * HOP)), "lengths in samples"),
    "by batch": (spoils("by_batch", by_batch), "other utterances of the batch, expected none; mask"),
    "by chance": (spoils("by_chance", by_chance), "encoded again, expected none; seed"),
    "no frames": (spoils("no_frames", lambda c, n, _: (c[..., :0], n * 0)), "0 frames, expected at least"),
    "no decoder": (spoils("no_decoder", as_they_are, can_decode=True), "has no _decode; write it"),
    "another kind": (spoils("kind", as_they_are, kind="neural"), "unknown kind.*'neural'.*acoustic"),
    "size and no tuple": (spoils("size", as_they_are, codebook_sizes=16), "sizes=16 must be a tuple"),
}  # fmt: skip


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Write nine recordings of speech-like sound, of different lengths."""
    utterances = []
    for number in range(9):
        path = tmp_path / f"{number}.wav"
        write_audio(path, voice_like(16_000 + 2500 * number, number))
        utterances.append(Utterance(f"u{number}", str(path), f"s{number % 2}", *header(path)))
    return Manifest(utterances)


@pytest.mark.parametrize("case", WRONG)
def test_it_is_refused_in_a_line_and_nothing_is_kept(
    case: str, manifest: Manifest, store: ArtifactStore
) -> None:
    tokenizer, words = WRONG[case]
    with pytest.raises(UserError, match=words) as caught:
        encode_manifest(tokenizer, manifest, store)
    assert tokenizer.name in str(caught.value) and "\n" not in str(caught.value)
    assert not list(store.root.rglob("*"))


def test_a_right_one_is_encoded(manifest: Manifest, store: ArtifactStore) -> None:
    tokens = encode_manifest(Codec(name="right"), manifest, store)
    assert len(tokens) == 9 and not tokens.failures


def test_a_few_codes_may_depend_on_the_batch_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    def one_frame(codes: torch.Tensor, frames: torch.Tensor, _: torch.Tensor) -> Result:
        codes[0, :, 0] = len(codes)
        return codes, frames

    require_stable(spoils("sums", one_frame), [voice_like(32_000, 1), voice_like(20_800, 2)])
    assert "sums: " in caplog.text and "of the codes change with the other utterances" in caplog.text
    with pytest.raises(UserError, match="change with the other"):
        require_stable(spoils("sums", one_frame), [voice_like(32_000, 1), voice_like(20_800, 2)], 1e-3)


def test_a_front_end_that_pads_otherwise_says_so(manifest: Manifest, store: ArtifactStore) -> None:
    def two_fewer(codes: torch.Tensor, frames: torch.Tensor, _: torch.Tensor) -> Result:
        return codes[..., :-2], frames - 2

    with pytest.raises(UserError, match="declares frame_slack"):
        encode_manifest(spoils("short", two_fewer), manifest, store)
    assert len(encode_manifest(spoils("said", two_fewer, frame_slack=1.0), manifest, store)) == 9


def test_the_utterance_is_named(manifest: Manifest, store: ArtifactStore) -> None:
    def only_long(codes: torch.Tensor, frames: torch.Tensor, wav: torch.Tensor) -> Result:
        codes[frames >= 112, 0, 0] = 99  # longer than the pieces of the sample
        return codes, frames

    with pytest.raises(UserError, match=r"codebook 0 .* \(utterance u8\)"):
        encode_manifest(spoils("long", only_long), manifest, store)


class Picky(Codec):
    """A codec that raises on speech longer than so many samples."""

    most = 34_000

    def _encode(self, wav: torch.Tensor, lengths: torch.Tensor) -> Result:
        if int(lengths.max()) > self.most:
            raise RuntimeError(f"too long for my network: {int(lengths.max())}")
        return super()._encode(wav, lengths)


def test_an_utterance_on_which_it_raises_has_failed_and_the_others_are_encoded(
    manifest: Manifest, store: ArtifactStore, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = encode_manifest(Picky(name="picky"), manifest, store)
    whole = encode_manifest(Codec(name="whole"), manifest, store)
    assert tokens.failures == {"u8": "picky raised RuntimeError: too long for my network: 36000"}
    for name in tokens:
        np.testing.assert_array_equal(tokens[name], whole[name])
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert "picky raised on 1 of 9 utterances (u8), which count as failed" in warning


def test_one_that_raises_on_most_utterances_fails_the_job_with_the_first_error(
    manifest: Manifest, store: ArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Picky, "most", 20_000)
    with pytest.raises(UserError, match=r"picky raised on 7 of 9 .*; on u8: RuntimeError: too long") as error:
        encode_manifest(Picky(name="picky"), manifest, store)
    assert isinstance(error.value.__cause__, RuntimeError)
    assert not list(store.root.rglob("seal.json"))


def test_facts_alone_cost_no_encoding() -> None:
    for case in ("no whole hop", "no decoder", "another kind", "size and no tuple"):
        with pytest.raises(UserError, match=WRONG[case][1]):
            require_facts(WRONG[case][0])


def test_a_floor_needs_the_decoder_of_its_base() -> None:
    """A floor defines all methods, and passes each call on."""
    base, words = WRONG["no decoder"]
    with pytest.raises(UserError, match=words):
        require_facts(Shuffled(name="shuffled", base=base))


def test_a_decoder_with_prompt_needs_both_methods() -> None:
    prompted = spoils("prompted", as_they_are, can_decode=True, decode_needs_prompt=True)
    with pytest.raises(UserError, match="has no _decode_with and no _side_info; write it"):
        require_facts(prompted)
    with pytest.raises(UserError, match="decode_needs_prompt=True needs can_decode=True"):
        require_facts(spoils("no_decoder", as_they_are, decode_needs_prompt=True))
    with pytest.raises(NotImplementedError, match="has no _side_info, although its spec declares"):
        prompted.extract_side_info(torch.zeros(1600))
