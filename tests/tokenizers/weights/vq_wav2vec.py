"""A small vq-wav2vec checkpoint: names, facts and file format of the published ones, narrow."""

from pathlib import Path
from typing import Any

import torch

from benchmark.tokenizers.vq_wav2vec import ENTRIES, FILES, GROUPS, LAYERS, VqWav2Vec

WIDTH = 32


def facts(quantizer: str) -> dict[str, Any]:
    """Make the `model_cfg` of a published checkpoint, with `WIDTH` for 512 and a shorter aggregator."""
    return {
        "infonce": False,
        "conv_feature_layers": str([(WIDTH, kernel, stride) for kernel, stride in LAYERS]),
        "conv_aggregator_layers": str([(WIDTH, 2, 1), (WIDTH, 3, 1)]),
        "activation": "gelu",
        "log_compression": False,
        "skip_connections_feat": False,
        "skip_connections_agg": True,
        "residual_scale": 0.5,
        "vq_type": quantizer,
        "vq_vars": ENTRIES,
        "vq_groups": GROUPS,
        "vq_dim": 0,
        "vq_depth": 2 if quantizer == "gumbel" else 1,
        "combine_groups": True,
    }


def state(quantizer: str) -> dict[str, torch.Tensor]:
    """Make random weights under which codes vary, and zeros for parts that make no codes."""

    def matrix(rows: int, *columns: int) -> torch.Tensor:
        fan_in = torch.empty(columns).numel()
        return torch.randn(rows, *columns) * (2 / fan_in) ** 0.5

    weights = {
        "wav2vec_predictions.project_to_steps.weight": torch.zeros(WIDTH, WIDTH, 1, 12),
        "wav2vec_predictions.project_to_steps.bias": torch.zeros(WIDTH),
    }
    for layer, kernel in enumerate((2, 3)):
        stem = f"feature_aggregator.conv_layers.{layer}"
        weights[f"{stem}.1.weight"] = torch.zeros(WIDTH, WIDTH, kernel)
        weights |= {f"{stem}.{part}": torch.zeros(WIDTH) for part in ("1.bias", "3.weight", "3.bias")}
    narrow = 1
    for layer, (kernel, _) in enumerate(LAYERS):
        stem = f"feature_extractor.conv_layers.{layer}"
        weights[f"{stem}.0.weight"] = matrix(WIDTH, narrow, kernel)
        weights[f"{stem}.2.weight"] = 1 + 0.1 * torch.randn(WIDTH)
        weights[f"{stem}.2.bias"] = 0.1 * torch.randn(WIDTH)
        narrow = WIDTH
    if quantizer == "kmeans":
        inner = {
            "embedding": torch.randn(ENTRIES, 1, WIDTH // GROUPS),
            "projection.0.weight": matrix(WIDTH, WIDTH // GROUPS, 1),
            "projection.1.weight": 1 + 0.1 * torch.randn(WIDTH),
            "projection.1.bias": 0.1 * torch.randn(WIDTH),
        }
    else:
        inner = {
            "vars": torch.rand(1, ENTRIES, WIDTH // GROUPS),
            "weight_proj.0.0.weight": matrix(2 * WIDTH, WIDTH),
            "weight_proj.0.0.bias": 0.1 * torch.randn(2 * WIDTH),
            "weight_proj.1.weight": matrix(GROUPS * ENTRIES, 2 * WIDTH),
            "weight_proj.1.bias": 0.1 * torch.randn(GROUPS * ENTRIES),
        }
    return weights | {f"vector_quantizer.{name}": tensor for name, tensor in inner.items()}


def write(tokenizer: VqWav2Vec, folder: Path) -> None:
    quantizer = tokenizer.quantizer
    content = {
        "task_cfg": {"sample_rate": 16_000},
        "model_cfg": facts(quantizer),
        "model_weight": state(quantizer),
    }
    torch.save(content, folder / FILES[quantizer])
