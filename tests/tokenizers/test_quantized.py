from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.errors import UserError
from benchmark.storage.hashing import digest
from benchmark.tokenizers.quantized import QuantizedFeatures
from benchmark.types import TokenizerSpec

Voice = Callable[..., np.ndarray]


@dataclass(kw_only=True)
class Envelope(QuantizedFeatures):
    """Tokenizer of two features per hop on very different scales: mean square and peak."""

    @property
    def spec(self) -> TokenizerSpec:
        return TokenizerSpec(
            self.name,
            "acoustic",
            16_000,
            100.0,
            (self.codebook_size,) * self.num_codebooks,
            False,
            False,
            True,
        )

    def features(self, wav: torch.Tensor, lengths: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        hops = wav.unflatten(1, (-1, 160))
        return torch.stack([1000 + hops.square().mean(2), hops.abs().amax(2)], 2), (lengths + 159) // 160


@dataclass(kw_only=True)
class StandardisedEnvelope(Envelope):
    standardise = True


def encode(tokenizer: QuantizedFeatures, wav: np.ndarray) -> torch.Tensor:
    return tokenizer.encode(torch.from_numpy(wav)[None], torch.tensor([len(wav)]))[0]


def test_the_codebook_survives_saving(voice: Voice, tmp_path: Path) -> None:
    bare = StandardisedEnvelope(name="a", num_codebooks=2, codebook_size=16)
    fitted = bare.fit([voice(32_000)], seed=1)
    fitted.save_codebook(tmp_path)
    loaded = bare.with_codebook(tmp_path)
    assert torch.equal(fitted.codebook_vectors(), loaded.codebook_vectors())
    assert fitted.codebook_vectors().shape == (2, 16, 2)
    assert torch.equal(encode(fitted, voice(16_000, 5)), encode(loaded, voice(16_000, 5)))
    assert loaded.codebook_digest == tmp_path.name  # that of the artifact
    again = tmp_path / "again"
    again.mkdir()
    loaded.save_codebook(again)
    assert (again / "report.json").read_text() == (tmp_path / "report.json").read_text()
    assert fitted.fit_report["seed"] == loaded.fit_report["seed"] == 1
    assert bare.fit_report == {}


def test_identity_follows_the_codebook(voice: Voice) -> None:
    tokenizer = Envelope(name="a", codebook_size=16)
    unfitted = digest(tokenizer.identity())
    first, second = (tokenizer.fit([voice(32_000, seed)], seed=0) for seed in (1, 2))
    assert len({unfitted, digest(first.identity()), digest(second.identity())}) == 3
    assert digest(tokenizer.identity()) == unfitted and isinstance(second, Envelope)


def test_without_a_codebook_nothing_is_encoded(tmp_path: Path) -> None:
    tokenizer = Envelope(name="bare")
    for use in (
        lambda: encode(tokenizer, np.zeros(1600, np.float32)),
        tokenizer.codebook_vectors,
        lambda: tokenizer.save_codebook(tmp_path),
    ):
        with pytest.raises(RuntimeError, match=r"bare has no codebook yet: fit"):
            use()


def test_too_little_speech_is_refused(voice: Voice) -> None:
    with pytest.raises(UserError, match=r"100 frames .* codebook of 256; lower tokenizer.codebook_size"):
        Envelope(name="a").fit([voice(16_000)], seed=0)
    with pytest.raises(UserError, match="0 frames"):
        Envelope(name="a").fit([], seed=0)


def test_a_codebook_of_another_shape_is_refused(voice: Voice, tmp_path: Path) -> None:
    small = Envelope(name="a", codebook_size=8).fit([voice(16_000)], seed=0)
    small.save_codebook(tmp_path)
    with pytest.raises(ValueError, match=r"\(1, 8, 2\).*\(1, 16, D\)"):
        Envelope(name="a", codebook_size=16).with_codebook(tmp_path)


@pytest.mark.parametrize("arguments", [{"num_codebooks": 0}, {"codebook_size": 1}])
def test_impossible_codebooks_are_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(UserError, match="codebook_size"):
        Envelope(name="a", **arguments)
    Envelope(name="a", codebook_size=100)


def test_fitting_streams_and_respects_max_frames(voice: Voice) -> None:
    given: list[int] = []

    def stream() -> Iterator[np.ndarray]:
        for seed in range(5):
            given.append(seed)
            yield voice(16_001, seed)

    report = Envelope(name="a", codebook_size=8, max_frames=200).fit(stream(), seed=0).fit_report
    assert given == [0, 1, 2, 3, 4]
    assert (report["frames"], report["frames_seen"]) == (200, 505)


def test_the_log_tells_the_fit_in_words(voice: Voice, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        bare = Envelope(name="a", num_codebooks=2, codebook_size=8, max_frames=200)
        report = bare.fit([voice(32_000)] * 20, seed=0).fit_report
    seen, errors = report["frames_seen"], [f"{error:.3g}" for error in report["mse"]]
    assert seen > 1000 and len(set(errors)) == 2
    assert caplog.messages == [
        f"fitted the codebook of a on 200 of {seen:,} frames; "
        f"level 1: squared error {errors[0]} per dimension, 0 of 8 unused; "
        f"level 2: squared error {errors[1]} per dimension, 0 of 8 unused"
    ]


def test_standardising_gives_each_dimension_the_same_say(voice: Voice) -> None:
    """Use peaks of 0.1 to 1 and mean squares of 1000.00 to 1000.05; unscaled, only the peak would decide."""
    wav = voice(64_000)
    fitted = StandardisedEnvelope(name="a", codebook_size=16).fit([wav], seed=0)
    features = fitted.features(torch.from_numpy(wav)[None], torch.tensor([len(wav)]))[0][0].double()
    scaled = (features - features.mean(0)) / features.std(0, correction=0)
    expected = (scaled[:, None] - fitted.codebook_vectors()[0].double()).square().sum(2).argmin(1)
    assert (encode(fitted, wav)[0, 0] == expected).double().mean() > 0.98
    spread = fitted.codebook_vectors()[0].std(0)
    assert 0.2 < spread[0] / spread[1] < 5


def test_a_dimension_that_never_changes_does_no_harm() -> None:
    tokenizer = StandardisedEnvelope(name="a", codebook_size=2)
    ramp = np.linspace(0, 1, 1600, dtype=np.float32).repeat(10)
    square = ramp * np.where(np.arange(len(ramp)) % 2, 1, -1).astype(np.float32)
    assert encode(tokenizer.fit([square], seed=0), np.zeros(1600, np.float32)).unique().numel() == 1
    silent = tokenizer.fit([np.zeros(3200, np.float32)], seed=0)
    assert torch.isfinite(silent.codebook_vectors()).all()


def test_seeding_is_part_of_the_identity_where_it_is_not_the_usual(voice: Voice) -> None:
    usual, other = (
        Envelope(name="a", codebook_size=16),
        Envelope(name="a", codebook_size=16, seeding="kmeans++"),
    )
    assert "seeding" not in usual.identity()["arguments"]
    assert other.identity()["arguments"]["seeding"] == "kmeans++"
    reports = [tokenizer.fit([voice(32_000)], seed=1).fit_report for tokenizer in (usual, other)]
    assert reports[0]["mse"] != reports[1]["mse"]
    with pytest.raises(UserError, match=r"'kmeans\+\+', 'random'|kmeans\+\+, random"):
        Envelope(name="a", seeding="farthest")
