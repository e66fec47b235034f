"""LSCodec against its reference code: same weights, same codes, at both rates."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from benchmark.errors import UserError
from benchmark.tokenizers.lscodec import LSCodec
from benchmark.tokenizers.networks.lscodec import receptive_field

HERE = Path(__file__).parent
MINIATURE = runpy.run_path(str(HERE / "weights" / "lscodec.py"))
SEEDED = runpy.run_path(str(HERE / "seeded.py"))
NAMES = {320: "lscodec_50hz", 640: "lscodec_25hz"}
OTHER_OPTIONS = {
    "feature_extractor_params__log_compression": False,
    "feature_extractor_params__skip_connections_feat": True,
    "feature_extractor_params__activation": "GELU",
    "feature_aggregator_params__conv_feature_layers": "[(48, 3, 1)] * 2 + [(96, 3, 1)]",
    "feature_aggregator_params__skip_connections": False,
    "feature_aggregator_params__non_affine_group_norm": True,
    "feature_aggregator_params__conv_bias": False,
    "feature_aggregator_params__zero_pad": True,
}
"""Options of the config file, each the other way round; the encoder's width is then not the codebook's."""
EMBED = "quantizer.groups.0._codebook.embed"


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    """Load the reference code's codes of each piece of `short_speech`.

    Its weights were seeded with scale 1.5; its codebook was twice as wide and moved to the stored centre.
    """
    with np.load(HERE / "fixtures" / "lscodec.npz") as arrays:
        return dict(arrays)


def changed(facts: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    for path, value in changes.items():
        part, _, key = path.rpartition("__")
        (facts[part] if part else facts)[key] = value
    return facts


def seeded(
    folder: Path, hop_length: int, centre: Any = 0.0, options: dict[str, Any] | None = None
) -> LSCodec:
    facts = changed(MINIATURE["config"](hop_length, 48), options or {})
    state = SEEDED["seeded_state"](MINIATURE["shapes"](folder, facts, hop_length), 1.5)
    state[EMBED] = 2 * state[EMBED] + centre
    MINIATURE["put"](folder, facts, state)
    return LSCodec(name=NAMES[hop_length], checkpoint=str(folder), hop_length=hop_length)


@pytest.mark.parametrize("model", ["320", "640", "other"])
def test_codes_are_those_of_the_reference_code(
    model: str,
    tmp_path: Path,
    short_speech: list[torch.Tensor],
    reference: dict[str, np.ndarray],
    same_codes: Callable[..., None],
) -> None:
    centre = torch.from_numpy(reference[f"centre_{model}"])
    options = OTHER_OPTIONS if model == "other" else {}
    tokenizer = seeded(tmp_path, 640 if model == "640" else 320, centre, options)
    pairs = []
    for i, wav in enumerate(short_speech):
        codes, _ = tokenizer.encode(wav[None], torch.tensor([len(wav)]))
        theirs = torch.from_numpy(reference[f"codes_{model}_{i}"].astype(np.int64))[None]
        pairs.append((codes[0], theirs))
    note = "seeded narrow weights" + (", other options" if options else "")
    same_codes(tokenizer.name, "X-LANCE/LSCodec-Inference @ 34aa506", pairs, note=note)


@pytest.mark.parametrize(("hop_length", "samples"), [(320, 945), (640, 1865)])
def test_short_speech_is_filled_up_to_one_frame(tmp_path: Path, hop_length: int, samples: int) -> None:
    """Check 1865 samples, the receptive field of the 25 Hz encoder's first frame."""
    tokenizer = seeded(tmp_path, hop_length)
    assert receptive_field(tokenizer.architecture()["stem"]) == samples
    for length, frames in ((10, 1), (samples, 1), (samples + hop_length, 2)):
        codes, lengths = tokenizer.encode(torch.randn(1, length), torch.tensor([length]))
        assert codes.shape[-1] == int(lengths[0]) == frames


def test_codebook_vectors_are_the_entries(tmp_path: Path) -> None:
    assert seeded(tmp_path, 320).codebook_vectors().shape == (1, 300, 64)
    assert seeded(tmp_path, 640).codebook_vectors().shape == (1, 1024, 64)


@pytest.mark.parametrize(
    ("change", "value", "message"),
    [
        ("quantizer_class", "Gumbel", "quantizer Gumbel, where KMeans"),
        ("have_quantizer", False, "quantizer False, where KMeans"),
        ("feature_extractor_params__fs", 24000, "sampling_rate 24000"),
        ("quantizer_params__vq_size_each_group", 1024, "codebook_size 1024, where 300"),
        ("feature_extractor_params__conv_feature_layers", "[(8, 10, 5)] * 2", "samples_per_frame 25"),
        ("feature_extractor_params__conv_feature_layers", "print()", r"describes its layers as 'print\(\)'"),
        ("feature_aggregator_params__activation", "Tanh", "activation 'Tanh' is not one of"),
        ("feature_aggregator_params__conv_feature_layers", "[(128, 3, 1)]", "does not fit"),
    ],
)
def test_other_models_are_refused(tmp_path: Path, change: str, value: Any, message: str) -> None:
    tokenizer = seeded(tmp_path, 320)
    config = tmp_path / "encoder_config.yml"
    config.write_text(yaml.safe_dump(changed(yaml.safe_load(config.read_text()), {change: value})))
    with pytest.raises(UserError, match=message):
        tokenizer.encode(torch.zeros(1, 16_000), torch.tensor([16_000]))


def test_a_hop_that_was_not_published_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"hop_length of lscodec 160.*Legal: 320, 640"):
        LSCodec(name="lscodec", checkpoint=str(tmp_path), hop_length=160)  # type: ignore[arg-type]


def test_a_checkpoint_without_the_generator_is_refused(tmp_path: Path) -> None:
    tokenizer = seeded(tmp_path, 320)
    torch.save({"state_dict": {}}, tmp_path / "lscodec_encoder.pt")
    with pytest.raises(UserError, match="no encoder of LSCodec; it lacks 'model'"):
        tokenizer.encode(torch.zeros(1, 16_000), torch.tensor([16_000]))
