from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from benchmark.tokenizers.s3tokenizer import VERSIONS, S3Tokenizer, _network

FIRST = {"v1_50hz": 1519, "v2": 2216}
"""Number in the name of the first convolution's weight, as exported."""


def write(tokenizer: S3Tokenizer, folder: Path) -> None:
    """Write a graph whose nodes have the published files' names; the graph cannot be run."""
    model = tokenizer.model
    version = VERSIONS[model]
    network = _network(model)(
        n_audio_state=64, n_audio_head=1, n_audio_layer=1, n_codebook_size=version.codebook_size
    )
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    for name, tensor in state.items():
        if name.endswith("embed"):
            tensor.normal_(std=0.1)
        elif name.endswith("project_down.weight"):
            tensor *= 20.0
    nodes, tensors = [], []
    for name, tensor in state.items():
        op, node, source, value = exported(name, tensor, model)
        tensors.append(onnx.numpy_helper.from_array(value, source))
        inputs = ["x", source]
        attributes: dict[str, Any] = {}
        if op in ("LayerNormalization", "Conv") and name.endswith("bias"):
            continue  # an input of its weight's node
        if (bias := name.replace("weight", "bias")) in state and op in ("LayerNormalization", "Conv"):
            inputs.append(exported(bias, tensor, model)[2])
        if op == "Conv":
            attributes["strides"] = [{"conv1": network.encoder.stride, "conv2": 2}.get(name.split(".")[1], 1)]
        nodes.append(onnx.helper.make_node(op, inputs, ["x"], name=node, **attributes))
    graph = onnx.helper.make_graph(nodes, "s3", [], [], initializer=tensors)
    onnx.save(onnx.helper.make_model(graph), str(folder / version.file))


def exported(name: str, tensor: torch.Tensor, model: str) -> tuple[str, str, str, np.ndarray]:
    """Return the kind and name of the node that holds a weight, and the name and value of its tensor."""
    value = tensor.numpy()
    turned = np.ascontiguousarray(value.T) if value.ndim == 2 else value
    short = name.removeprefix("encoder.")
    parts = short.split(".")
    if name == "encoder.positional_embedding":
        return "Add", "/Add", "encoders.positional_embedding", value
    if short.startswith("conv"):
        number, kind = int(parts[0][-1]), parts[1]
        if model == "v1_25hz" or model == "v3":
            source = f"encoders.conv{number}.{kind}"
        else:
            source = f"onnx::Conv_{FIRST[model] + 2 * (number - 1) + (kind == 'bias')}"
        return "Conv", f"/conv{number}/Conv", source, value
    if name == "quantizer._codebook.embed":
        return "Pow", "/quantizer/rq/model/layers.0/_codebook/Pow_1", "onnx::Pow_1", turned
    if name.endswith("project_down.weight"):
        return "MatMul", "/quantizer/project_in/MatMul", "onnx::MatMul_2536", turned
    if name.endswith("project_down.bias"):
        return "Add", "/quantizer/project_in/Add", "quantizer.project_in.bias", value
    path = f"/blocks.{parts[1]}/{parts[2]}"
    if "_ln" in name:
        if model == "v3":
            op = "Mul" if parts[3] == "weight" else "Add"
            return op, f"{path}/{'Mul' if op == 'Mul' else 'Add_1'}", short, value
        return "LayerNormalization", f"{path}/LayerNormalization", short, value
    path += f"/{'mlp.' if parts[2] == 'mlp' else ''}{parts[3]}"
    if parts[3] == "fsmn_block":
        return "Conv", f"{path}/Conv", short, value
    if parts[-1] == "weight":
        return "MatMul", f"{path}/MatMul", f"onnx::{short}", turned
    return "Add", f"{path}/Add", short, value
