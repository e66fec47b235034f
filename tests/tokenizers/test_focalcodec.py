"""FocalCodec against its reference code: same weights, same codes and waveforms, at all three rates."""

import hashlib
import json
import runpy
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmark.errors import UserError
from benchmark.tokenizers.focalcodec import FocalCodec

HERE = Path(__file__).parent
MINIATURE = runpy.run_path(str(HERE / "weights" / "focalcodec.py"))
SEEDED = runpy.run_path(str(HERE / "seeded.py"))
NAMES = {320: "focalcodec_50hz", 640: "focalcodec_25hz", 1280: "focalcodec_12_5hz"}
HOPS = tuple(NAMES)
PUBLISHED = {
    320: "5ef5465ede5104a7d6f6c160cd28be70626265f6e8e76d93b9a586fa719a9c53",
    640: "c5ca262f45bacc92542b2337742538a33c85aa37e82ee6197222bcaa245bf14a",
    1280: "4d667df4fe4742997136d7b6e49f5859e1bc07d7fbd390b144446b9279bdb701",
}
"""SHA-256 of the published checkpoints' tensor names and shapes, as another implementation, vokra
(ayutaz/vokra, crates/vokra-models/src/focalcodec/mod.rs), pins them.
"""


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    """Load the reference code's codes of each piece of `short_speech`.

    Samples 4000 to 6000 of the decoded waveforms are included. The weights were seeded with scale 1.5; the
    bias before the signs is the stored one.
    """
    with np.load(HERE / "fixtures" / "focalcodec.npz") as arrays:
        return dict(arrays)


def seeded(folder: Path, hop_length: int, bias: np.ndarray, **changes: Any) -> FocalCodec:
    facts = MINIATURE["config"](hop_length, 64)
    state = SEEDED["seeded_state"](MINIATURE["shapes"](facts), 1.5)
    state["compressor.out_proj.bias"] = torch.from_numpy(bias)
    for path, value in changes.items():
        part, _, key = path.partition("__")
        facts[part][key] = value
    MINIATURE["put"](folder, facts, state)
    return FocalCodec(name=NAMES[hop_length], checkpoint=str(folder), hop_length=hop_length)


@pytest.mark.parametrize("hop_length", HOPS)
def test_codes_and_waveforms_are_those_of_the_reference_code(
    hop_length: int,
    tmp_path: Path,
    short_speech: list[torch.Tensor],
    reference: dict[str, np.ndarray],
    same_codes: Callable[..., None],
) -> None:
    tokenizer = seeded(tmp_path, hop_length, reference[f"bias_{hop_length}"])
    pairs = []
    for i, wav in enumerate(short_speech):
        codes, frames = tokenizer.encode(wav[None], torch.tensor([len(wav)]))
        theirs = torch.from_numpy(reference[f"codes_{hop_length}_{i}"].astype(np.int64))[None]
        pairs.append((codes[0], theirs))
        decoded = tokenizer.decode(theirs[None], frames, torch.tensor([len(wav)]))
        expected = torch.from_numpy(reference[f"wav_{hop_length}_{i}"])
        torch.testing.assert_close(decoded[0, 4000:6000], expected, atol=1e-4, rtol=0)
    same_codes(tokenizer.name, "lucadellalib/focalcodec @ 912b7f2", pairs, note="seeded narrow weights")


@pytest.mark.parametrize("hop_length", HOPS)
def test_tensors_are_named_and_shaped_as_in_the_published_checkpoints(hop_length: int) -> None:
    facts = MINIATURE["config"](hop_length, 1024)
    facts["encoder_config"] |= {"hidden_dims": [512] * 7, "num_layers": 6, "ffn_dim": 4096}
    facts["encoder_config"] |= {"num_heads": 16, "conv_pos_groups": 16}
    facts["decoder_config"] |= {"num_layers": 8, "dim": 512, "ffn_dim": 1536}
    with torch.device("meta"):
        shapes = MINIATURE["shapes"](facts)
    manifest = hashlib.sha256()
    for name, shape in sorted(shapes.items()):
        manifest.update(name.encode() + struct.pack(f"<xQ{len(shape)}Q", len(shape), *shape))
    assert manifest.hexdigest() == PUBLISHED[hop_length]


def test_decoding_starts_from_the_codebook(tmp_path: Path, reference: dict[str, np.ndarray]) -> None:
    """Check that the first dimension of a vector is the highest bit of its code."""
    tokenizer = seeded(tmp_path, 320, reference["bias_320"])
    vectors = tokenizer.codebook_vectors()
    assert vectors.shape == (1, 8192, 13)
    torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(1, 8192))
    assert vectors[0, 0].max() < 0 < vectors[0, -1].min()
    assert (vectors[0, 4096] > 0).tolist() == [True] + 12 * [False]
    assert len(vectors[0].unique(dim=0)) == 8192


def test_a_checkpoint_of_another_rate_is_refused(tmp_path: Path, voice: Callable[..., np.ndarray]) -> None:
    tokenizer = seeded(tmp_path, 640, np.zeros(13, np.float32))
    wrong = FocalCodec(name="focalcodec_50hz", checkpoint=str(tmp_path), hop_length=320)
    wav = torch.from_numpy(voice(16_000))[None]
    assert tokenizer.encode(wav, torch.tensor([16_000]))[0].shape == (1, 1, 25)
    with pytest.raises(UserError, match="samples_per_frame 640, where 320"):
        wrong.encode(wav, torch.tensor([16_000]))
    with pytest.raises(UserError, match=r"hop_length of focalcodec 480.*Legal: 1280, 320, 640"):
        FocalCodec(name="focalcodec", checkpoint=str(tmp_path), hop_length=480)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "value", "message"),
    [
        ("compressor_config__normalize_modulator", True, "switches"),
        ("encoder_config__causal", True, "switches"),
        ("quantizer_config__codebook_size", 4096, "codebook_size 4096"),
    ],
)
def test_other_models_of_the_family_are_refused(
    tmp_path: Path, change: str, value: Any, message: str
) -> None:
    """Check the streaming checkpoints, whose different blocks do not show in their weights alone."""
    tokenizer = seeded(tmp_path, 320, np.zeros(13, np.float32), **{change: value})
    with pytest.raises(UserError, match=message):
        tokenizer.encode(torch.zeros(1, 16_000), torch.tensor([16_000]))


def test_weights_that_are_not_the_models_are_refused(tmp_path: Path) -> None:
    tokenizer = seeded(tmp_path, 320, np.zeros(13, np.float32))
    facts = json.loads((tmp_path / "config.json").read_text())
    facts["encoder_config"]["num_layers"] = 3
    (tmp_path / "config.json").write_text(json.dumps(facts))
    with pytest.raises(UserError, match="does not fit"):
        tokenizer.encode(torch.zeros(1, 16_000), torch.tensor([16_000]))
    for content, message in (("{}", "it lacks 'encoder_config'"), ("[]", "list indices"), ("{", "Expecting")):
        (tmp_path / "config.json").write_text(content)
        with pytest.raises(UserError, match=f"is no FocalCodec.*{message}"):
            tokenizer.encode(torch.zeros(1, 16_000), torch.tensor([16_000]))
