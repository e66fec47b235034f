import json
import runpy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import normalize
from transformers import WhisperFeatureExtractor

from benchmark.errors import UserError
from benchmark.tokenizers.glm4_voice import CODEBOOK_SIZE, HOP, Glm4Voice
from benchmark.tokenizers.networks.glm4_voice import BlockCausalEncoder

HERE = Path(__file__).parent
UPSTREAM = "zai-org/GLM-4-Voice @ eb00ce9"
seeded_state = runpy.run_path(str(HERE / "seeded.py"))["seeded_state"]
writer = runpy.run_path(str(HERE / "weights" / "glm4_voice.py"))
CONFIG = {
    **writer["CONFIG"],
    "d_model": 64,
    "encoder_attention_heads": 4,
    "encoder_ffn_dim": 128,
    "encoder_layers": 8,
    "pooling_position": 4,
    "quantize_position": 4,
}


@pytest.fixture(scope="module")
def upstream() -> dict[str, np.ndarray]:
    """Load the codes of `extract_speech_token` in the upstream repository, one utterance at a time.

    WhisperVQEncoder had the sizes of CONFIG and `seeded_state` of its own shapes. The codebook was placed
    around the encoder's output on the short pieces, so that codes vary; its place is stored too."""
    with np.load(HERE / "fixtures" / "glm4_voice.npz") as kept:
        return dict(kept)


@pytest.fixture(scope="module")
def tokenizer(upstream: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Glm4Voice:
    folder = tmp_path_factory.mktemp("glm4_voice")
    state = seeded_state({name: t.shape for name, t in BlockCausalEncoder(CONFIG).state_dict().items()})
    away = normalize(state["codebook.weight"])
    state["codebook.weight"] = torch.from_numpy(upstream["centre"]) + float(upstream["radius"]) * away
    save_file(state, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    WhisperFeatureExtractor(feature_size=128).save_pretrained(folder)
    return Glm4Voice(name="glm4_voice", checkpoint=str(folder), licence="custom")


@pytest.fixture(scope="module")
def speech(short_speech: list[torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return two short pieces and one of 38 s: two unequal segments, each with several blocks of 4 s."""
    return {"short_0": short_speech[0], "short_1": short_speech[1], "long": torch.cat(short_speech * 14)}


def encode(tokenizer: Glm4Voice, *wavs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    padded = torch.nn.utils.rnn.pad_sequence(list(wavs), batch_first=True)
    return tokenizer.encode(padded, torch.tensor([len(wav) for wav in wavs]))


def test_codes_are_those_of_upstream(
    tokenizer: Glm4Voice,
    upstream: dict[str, np.ndarray],
    speech: dict[str, torch.Tensor],
    same_codes: Callable[..., None],
) -> None:
    pairs = []
    for name, wav in speech.items():
        codes, lengths = encode(tokenizer, wav)
        assert int(lengths[0]) == -(-len(wav) // HOP)
        pairs.append((codes[0], torch.from_numpy(upstream[name].astype(np.int64))[None]))
    same_codes("glm4_voice", UPSTREAM, pairs, note="seeded weights, width 64, 4 layers")


def test_company_in_a_batch_changes_no_code(tokenizer: Glm4Voice, speech: dict[str, torch.Tensor]) -> None:
    codes, lengths = encode(tokenizer, *speech.values())
    for row, wav in enumerate(speech.values()):
        assert torch.equal(codes[row, :, : int(lengths[row])], encode(tokenizer, wav)[0][0])


def test_a_frame_sees_its_own_block_of_four_seconds_and_the_past(tokenizer: Glm4Voice) -> None:
    visible = tokenizer._encoder.visible(450, torch.tensor([430]))[0, 0]
    assert visible.sum(1).unique(return_counts=True)[0].tolist() == [200, 400, 430]
    assert visible[199, 199]
    assert not visible[199, 200]
    assert visible[200, 399]


def test_the_start_of_a_segment_does_not_depend_on_what_comes_a_block_later(
    tokenizer: Glm4Voice, speech: dict[str, torch.Tensor]
) -> None:
    wav = speech["long"][: 12 * 16_000]
    changed = torch.cat([wav[: 8 * 16_000 + 400], -0.1 * wav[8 * 16_000 + 400 :]])
    before, after = (encode(tokenizer, w)[0][0, 0] for w in (wav, changed))
    assert torch.equal(before[:100], after[:100])
    assert not torch.equal(before[100:], after[100:])


def test_the_codebook_is_offered(tokenizer: Glm4Voice) -> None:
    vectors = tokenizer.codebook_vectors()
    assert vectors.shape == (1, CODEBOOK_SIZE, 64)


@pytest.mark.parametrize(
    ("key", "value"),
    [("quantize_vocab_size", 4096), ("pooling_type", "max"), ("encoder_causal_convolution", False)],
)
def test_the_checkpoint_of_another_model_is_refused(
    tokenizer: Glm4Voice, tmp_path: Path, key: str, value: object
) -> None:
    for path in tokenizer.folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "config.json").write_text(json.dumps({**CONFIG, key: value}))
    with pytest.raises(UserError, match="another model"):
        encode(replace(tokenizer, checkpoint=str(tmp_path)), torch.zeros(16_000))
