"""An LSCodec checkpoint in miniature: the files' format and the strides of the published ones, narrow."""

from pathlib import Path
from typing import Any

import torch
import yaml

from benchmark.tokenizers.lscodec import GROUP, LSCodec
from benchmark.tokenizers.lscodec_network import Encoder
from benchmark.tokenizers.pretrained import Pretrained

STEMS = {
    320: "[({w}, 10, 5), ({w}, 8, 4)] + [({w}, 4, 2)] * 4",
    640: "[({w}, 10, 5), ({w}, 8, 4), ({w}, 8, 4)] + [({w}, 4, 2)] * 3",
}
CONTEXT = "[({w}, 2, 1), ({w}, 3, 1), ({w}, 4, 1), (128, 5, 1)]"


def config(hop_length: int, width: int = 32) -> dict[str, Any]:
    """What the encoder's config file says of the model; the published one has 512 for `width`."""
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
    """Names and shapes of every tensor in a published checkpoint of this geometry."""
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


def write(tokenizer: Pretrained, folder: Path) -> None:
    hop_length, facts = tokenizer.hop_length, config(tokenizer.hop_length)
    state = {
        name: torch.randn(shape) / (shape[1] * shape[2]) ** 0.5 if len(shape) == 3 else torch.randn(shape)
        for name, shape in shapes(folder, facts, hop_length).items()
    }
    put(folder, facts, state)
    # Around where the features are: entries anywhere else would make one of them the nearest always.
    model = LSCodec(name="miniature", checkpoint=str(folder), hop_length=hop_length)._model
    noise = torch.randn(16_000) * torch.linspace(-4, 4, 16_000).sin()
    features = model.frontend["conv_models"](0.1 * noise[None, None])[0, :64]
    embed = f"{GROUP}_codebook.embed"
    spread, centre = torch.std_mean(features, 1)
    state[embed] = centre + spread * state[embed]
    put(folder, facts, state)
