from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from benchmark.errors import UserError
from benchmark.storage.weights import Unread, fold_weight_norm, load_tensors, renamed


def test_settings_beside_the_weights_are_read_only_where_expected(tmp_path: Path) -> None:
    path = tmp_path / "state.pth"
    torch.save({"weight": torch.ones(2), "config": OmegaConf.create({"a": [1, {"b": 2}]})}, path)
    with pytest.raises(UserError, match="cannot be loaded safely"):
        load_tensors(path)
    loaded = load_tensors(path, settings=True)
    assert torch.equal(loaded["weight"], torch.ones(2))
    assert isinstance(loaded["config"], Unread)
    assert vars(loaded["config"]) == {}
    torch.save({"weight": torch.ones(2), "path": tmp_path}, path)
    with pytest.raises(UserError, match="cannot be loaded safely"):
        load_tensors(path, settings=True)


def test_patterns_rename_one_after_another() -> None:
    state = {"net.layers.0.conv.weight": torch.ones(1), "layers.net.bias": torch.zeros(1)}
    patterns = {r"^net\.": "", r"^layers\.(\d+)\.": r"block.\1."}
    assert list(renamed(state, patterns)) == ["block.0.conv.weight", "layers.net.bias"]
    assert renamed(state, patterns)["layers.net.bias"] is state["layers.net.bias"]


def test_weight_norm_is_folded_in_float32_as_torch_computes_it() -> None:
    conv = torch.nn.utils.parametrizations.weight_norm(torch.nn.Conv1d(3, 4, 5)).half()
    norm = conv.parametrizations.weight
    halves = {"c.weight_g": norm.original0.data, "c.weight_v": norm.original1.data, "c.bias": conv.bias.data}
    folded = fold_weight_norm(halves)
    assert set(folded) == {"c.weight", "c.bias"}
    assert folded["c.weight"].dtype == torch.float32
    torch.testing.assert_close(folded["c.weight"], conv.float().weight.data)
