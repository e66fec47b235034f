from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from benchmark.errors import UserError
from benchmark.storage.weights import Unread, load_tensors


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
