"""Mimi against Kyutai's own package."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch

from benchmark.data.audio import resample

loaders = pytest.importorskip("moshi.models.loaders")

RENAMED = {
    "encoder.encoder_seanet.layers": "encoder.model",
    "decoder.decoder_seanet.layers": "decoder.model",
    "encoder.encoder_transformer": "encoder_transformer.transformer",
    "decoder.decoder_transformer": "decoder_transformer.transformer",
    "encoder.downsample.conv": "downsample.conv.conv.conv",
    "decoder.upsample.conv": "upsample.convtr.convtr.convtr",
    "self_attn.o_proj": "self_attn.out_projs.0",
    "mlp.fc": "linear",
    "input_layernorm": "norm1",
    "post_attention_layernorm": "norm2",
    "self_attn_layer_scale": "layer_scale_1",
    "mlp_layer_scale": "layer_scale_2",
    "semantic_residual_vector_quantizer": "rvq_first",
    "acoustic_residual_vector_quantizer": "rvq_rest",
    ".layers.": ".vq.layers.",
    "codebook.initialized": "_codebook._initialized",
    "codebook.cluster_usage": "_codebook.cluster_usage",
    "codebook.embed_sum": "_codebook.embedding_sum",
}


def peer_model(ours: Any, num_codebooks: int) -> Any:
    """Build the peer with the weights of transformers' model `ours`."""
    config = ours.config
    facts = deepcopy(loaders._mimi_config)
    facts["seanet"] |= {"dimension": config.hidden_size, "n_filters": config.num_filters}
    facts["transformer"] |= {
        "d_model": config.hidden_size,
        "num_heads": config.num_attention_heads,
        "num_layers": config.num_hidden_layers,
        "dim_feedforward": config.intermediate_size,
        "context": config.sliding_window,
        "input_dimension": config.hidden_size,
        "output_dimensions": [config.hidden_size],
    }
    facts["quantizer"] |= {
        "dimension": config.codebook_dim,
        "input_dimension": config.hidden_size,
        "output_dimension": config.hidden_size,
    }
    model = loaders.get_mimi(None, facts, num_codebooks=num_codebooks)
    places = model.state_dict()
    state, fused = {}, {}
    for name, tensor in ours.state_dict().items():
        prefix, found, which = name.partition("self_attn.")
        if found and which[0] in "qkv":
            if which[0] in "qk":
                tensor = interleaved(tensor, config.num_attention_heads)
            fused.setdefault(f"{renamed(prefix, places)}self_attn.in_projs.0.weight", []).append(tensor)
        else:
            state[renamed(name, places)] = tensor
    state |= {name: torch.cat(parts) for name, parts in fused.items()}  # in the order q, k, v
    model.load_state_dict(state)
    return model.eval()


def interleaved(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """Reorder rows for rotary pairs (i, i + d / 2) to rows for pairs (2i, 2i + 1)."""
    return rows.unflatten(0, (heads, 2, -1)).transpose(1, 2).flatten(0, 2)


def renamed(name: str, places: dict[str, torch.Tensor]) -> str:
    for ours, theirs in RENAMED.items():
        if ours != ".layers." or name.startswith("quantizer."):
            name = name.replace(ours, theirs)
    if "coder.model." in name:
        name = name.replace(".conv.", ".conv.conv.")
        name = name if name in places else name.replace(".conv.conv.", ".convtr.convtr.")
    return name


def test_the_same_codes_and_sound_as_the_original(
    on_random_weights: Any, speech: list[torch.Tensor], same_codes: Callable[..., None], label: Any
) -> None:
    tokenizer = on_random_weights("mimi")
    for name, scale in tokenizer._model.named_parameters():
        if name.endswith("layer_scale.scale"):  # initialised so small that wrong attention would not show
            scale.fill_(0.5)
    original = peer_model(tokenizer._model, tokenizer.num_codebooks)
    pairs = []
    longer_than_attention_looks_back = torch.cat([speech[0]] * 8)
    for wav in [
        *speech,
        longer_than_attention_looks_back,
        *(speech[0][:samples] for samples in (16_000, 16_001, 17_280, 20_907)),
    ]:
        codes, frames = tokenizer.encode(wav[None], torch.tensor([len(wav)]))
        native = torch.from_numpy(resample(wav.numpy(), 16_000, 24_000))
        with torch.no_grad():
            theirs = original.encode(native[None, None])
            sound = original.decode(theirs)[:, 0]
        pairs.append((codes[0], theirs[0]))
        torch.testing.assert_close(tokenizer._decode(codes, frames), sound, atol=1e-5, rtol=0)
    same_codes("mimi", label("moshi"), pairs)
