"""WavLM (Chen et al. 2022) in transformers, from weights in the layout of its authors' code."""

from collections.abc import Mapping
from typing import Any

import torch

from benchmark.extractors.encoders.wavlm import NORMS
from benchmark.storage.weights import load_into, renamed

NAMES = {
    r"^mask_emb$": "masked_spec_embed",
    r"^layer_norm\.": "feature_projection.layer_norm.",
    r"^post_extract_proj\.": "feature_projection.projection.",
    r"^(feature_extractor\.conv_layers\.\d+)\.0\.": r"\1.conv.",
    r"^(feature_extractor\.conv_layers\.\d+)\.2\.1\.": r"\1.layer_norm.",
    r"^encoder\.pos_conv\.0\.weight_g$": "encoder.pos_conv_embed.conv.parametrizations.weight.original0",
    r"^encoder\.pos_conv\.0\.weight_v$": "encoder.pos_conv_embed.conv.parametrizations.weight.original1",
    r"^encoder\.pos_conv\.0\.bias$": "encoder.pos_conv_embed.conv.bias",
    r"\.self_attn\.grep_linear\.": ".attention.gru_rel_pos_linear.",
    r"\.self_attn\.grep_a$": ".attention.gru_rel_pos_const",
    r"\.self_attn\.relative_attention_bias\.": ".attention.rel_attn_embed.",
    r"\.self_attn\.": ".attention.",
    r"\.self_attn_layer_norm\.": ".layer_norm.",
    r"\.fc1\.": ".feed_forward.intermediate_dense.",
    r"\.fc2\.": ".feed_forward.output_dense.",
}
"""Patterns in the names of weights, and what transformers has in their place."""


def build_wavlm(state: Mapping[str, torch.Tensor], source: object) -> Any:
    """Build the large form of WavLM, of any width, with these weights.

    Args:
        state: Weights by the authors' names, whose shapes give the widths.
        source: Name of the weights for messages.

    Returns:
        A frozen `WavLMModel` in float32.

    Raises:
        KeyError: a weight that tells a width is missing.
        UserError: weights are missing, superfluous, or of another shape.
    """
    from transformers import WavLMConfig, WavLMModel

    strides = WavLMConfig().conv_stride  # those of the authors, which no weight tells
    convs = [state[f"feature_extractor.conv_layers.{layer}.0.weight"] for layer in range(len(strides))]
    width = len(state["post_extract_proj.weight"])
    position = state["encoder.pos_conv.0.weight_v"]
    layers = {name.split(".")[2] for name in state if name.startswith("encoder.layers.")}
    config = WavLMConfig(
        hidden_size=width,
        num_hidden_layers=len(layers),
        num_attention_heads=state["encoder.layers.0.self_attn.grep_a"].shape[1],
        intermediate_size=len(state["encoder.layers.0.fc1.weight"]),
        conv_dim=tuple(len(conv) for conv in convs),
        conv_kernel=tuple(conv.shape[2] for conv in convs),
        conv_stride=strides,
        num_conv_pos_embeddings=position.shape[2],
        num_conv_pos_embedding_groups=width // position.shape[1],
        num_buckets=len(state["encoder.layers.0.self_attn.relative_attention_bias.weight"]),
        **NORMS,
    )
    model = WavLMModel(config)
    load_into(model, renamed(state, NAMES), source)
    return model
