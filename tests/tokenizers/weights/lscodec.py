"""An LSCodec checkpoint in miniature: the files' format and the strides of the published ones, narrow."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from transformers import WavLMConfig, WavLMModel

from benchmark.models.vocoder.lscodec import AlphaDecoder
from benchmark.models.vocoder.published import published_names
from benchmark.tokenizers.lscodec import LSCodec
from benchmark.tokenizers.networks.lscodec import Encoder
from benchmark.tokenizers.pretrained import Pretrained

GROUP = "quantizer.groups.0."
"""Prefix of the codebook's tensors."""
STEMS = {
    320: "[({w}, 10, 5), ({w}, 8, 4)] + [({w}, 4, 2)] * 4",
    640: "[({w}, 10, 5), ({w}, 8, 4), ({w}, 8, 4)] + [({w}, 4, 2)] * 3",
}
CONTEXT = "[({w}, 2, 1), ({w}, 3, 1), ({w}, 4, 1), (128, 5, 1)]"


def config(hop_length: int, width: int = 32) -> dict[str, Any]:
    """Make the encoder's config file; the published one has 512 for `width`."""
    return {
        "feature_extractor_params": {
            "fs": 16000,
            "conv_feature_layers": STEMS[hop_length].format(w=width),
            "log_compression": True,
            "skip_connections_feat": False,
            "residual_scale": 0.5,
            "non_affine_group_norm": False,
            "activation": "ReLU",
        },
        "feature_aggregator_params": {
            "conv_feature_layers": CONTEXT.format(w=width),
            "skip_connections": True,
            "residual_scale": 0.5,
            "non_affine_group_norm": False,
            "conv_bias": True,
            "zero_pad": False,
            "activation": "ReLU",
        },
        "dropout_features": 0.0,
        "have_quantizer": True,
        "quantizer_class": "KMeans",
        "quantizer_params": {
            "vq_groups": 1,
            "vq_dim": 64,
            "vq_size_each_group": {320: 300, 640: 1024}[hop_length],
            "decay": 0.99,
            "epsilon": 1e-5,
            "kmeans_init": False,
            "kmeans_iters": 10,
            "threshold_ema_dead_code": 2,
            "commitment_weight": 1.0,
        },
    }


def put(folder: Path, facts: dict[str, Any], state: dict[str, torch.Tensor]) -> None:
    """Write the checkpoint's two files."""
    (folder / "encoder_config.yml").write_text(yaml.safe_dump(facts))
    torch.save({"model": {"generator": state}, "steps": 1}, folder / "lscodec_encoder.pt")


def shapes(folder: Path, facts: dict[str, Any], hop_length: int) -> dict[str, torch.Size]:
    """Return names and shapes of every tensor in a published checkpoint of this geometry."""
    put(folder, facts, {})
    tokenizer = LSCodec(name="miniature", checkpoint=str(folder), hop_length=hop_length)
    state = Encoder(**tokenizer.architecture()).state_dict()
    made = {name: part.shape for name, part in state.items() if not name.startswith("quantizer.")}
    embed = state["quantizer.codebook"].shape
    book = {"embed": embed, "embed_avg": embed, "cluster_size": embed[:1], "inited": torch.Size([1])}
    made |= {f"{GROUP}_codebook.{name}": shape for name, shape in book.items()}
    if "quantizer.project_in.weight" in state:
        inner, outer = state["quantizer.project_in.weight"].shape
        made |= {f"{GROUP}project_in.weight": torch.Size([inner, outer])}
        made |= {f"{GROUP}project_out.weight": torch.Size([outer, inner])}
        made |= {f"{GROUP}project_in.bias": torch.Size([inner])}
        made |= {f"{GROUP}project_out.bias": torch.Size([outer])}
    return made


def vocoder_config(hop_length: int, prompt: int = 16) -> dict[str, Any]:
    """Make the vocoder's config file, in the form that upstream's code reads.

    The published file has prompts of 1024 features and is wider."""
    width = 24
    return {
        "sampling_rate": 24000,
        "num_mels": 80,
        "repeat_input_tokens": hop_length == 640,
        "prompt_net_type": "ConvPromptPrenet",
        "frontend_params": {
            "vqvec_channels": 64,
            "prompt_channels": prompt,
            "conformer_params": {
                "attention_dim": width,
                "attention_heads": 2,
                "linear_units": 40,
                "num_blocks": 2,
                "dropout_rate": 0.2,
                "positional_dropout_rate": 0.2,
                "attention_dropout_rate": 0.2,
                "normalize_before": True,
                "concat_after": False,
                "positionwise_layer_type": "conv1d",
                "positionwise_conv_kernel_size": 3,
                "macaron_style": True,
                "pos_enc_layer_type": "rel_pos",
                "selfattention_layer_type": "rel_selfattn",
                "activation_type": "swish",
                "use_cnn_module": True,
                "cnn_module_kernel": 31,
            },
        },
        "generator_type": "HiFiGANGenerator",
        "generator_params": {
            "in_channels": width,
            "out_channels": 1,
            "channels": 32,
            "kernel_size": 7,
            "upsample_scales": [10, 8, 3, 2],
            "upsample_kernel_sizes": [20, 16, 6, 4],
            "resblock_kernel_sizes": [3, 7, 11],
            "resblock_dilations": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
            "use_additional_convs": True,
            "bias": True,
            "nonlinear_activation": "LeakyReLU",
            "nonlinear_activation_params": {"negative_slope": 0.1},
            "use_weight_norm": True,
        },
    }


def put_vocoder(
    folder: Path,
    facts: dict[str, Any],
    codebook: torch.Tensor,
    hop_length: int,
    fill: Callable[[dict[str, torch.Size]], dict[str, torch.Tensor]],
) -> None:
    """Write the decoder's three files; `fill` makes the weights from their names and shapes."""
    network = AlphaDecoder(facts, codebook, hop_length)
    own = network.state_dict()
    state = fill({theirs: own[name].shape for name, theirs in published_names(network).items()})
    state = {n: t.abs() + 0.5 if n.endswith("running_var") else t for n, t in state.items()}
    (folder / "vocoder_config.yml").write_text(yaml.safe_dump(facts))
    np.save(folder / "codebook.npy", codebook.numpy())
    torch.save({"model": {"generator": state}, "steps": 1}, folder / "lscodec_vocoder.pt")


def put_wavlm(folder: Path, width: int = 16) -> None:
    """Write a WavLM of seven narrow layers."""
    sizes = {"num_hidden_layers": 7, "num_attention_heads": 2, "intermediate_size": width}
    convolutions = {"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4, "conv_dim": (8,) * 7}
    as_large = {"feat_extract_norm": "layer", "do_stable_layer_norm": True}
    WavLMModel(WavLMConfig(hidden_size=width, **sizes, **convolutions, **as_large)).save_pretrained(folder)


def write(tokenizer: Pretrained, folder: Path) -> dict[str, Any]:
    hop_length, facts = tokenizer.hop_length, config(tokenizer.hop_length)
    state = {
        name: torch.randn(shape) / (shape[1] * shape[2]) ** 0.5 if len(shape) == 3 else torch.randn(shape)
        for name, shape in shapes(folder, facts, hop_length).items()
    }
    put(folder, facts, state)
    # Entries lie around the features; elsewhere a single entry would always be the nearest.
    model = LSCodec(name="miniature", checkpoint=str(folder), hop_length=hop_length)._model
    noise = torch.randn(16_000) * torch.linspace(-4, 4, 16_000).sin()
    features = model.frontend["conv_models"](0.1 * noise[None, None])[0, :64]
    embed = f"{GROUP}_codebook.embed"
    spread, centre = torch.std_mean(features, 1)
    state[embed] = centre + spread * state[embed]
    put(folder, facts, state)

    def random(shapes: dict[str, torch.Size]) -> dict[str, torch.Tensor]:
        """Make weights that pass on sound and prompt: gains around one, and sums of unit variance."""
        drawn = {name: torch.randn(shape) for name, shape in shapes.items()}
        return {
            name: 1 + 0.1 * values
            if values.numel() == len(values) and name.endswith(("weight", "weight_g"))
            else values / max(1, values[0].numel()) ** 0.5
            for name, values in drawn.items()
        }

    put_vocoder(folder, vocoder_config(hop_length), state[embed][None], hop_length, random)
    put_wavlm(folder / "wavlm")
    return {"decoder": replace(tokenizer.decoder, checkpoint=str(folder / "wavlm"), revision=None)}
