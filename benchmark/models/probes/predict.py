"""Predictions of a trained probe that is read from its folder."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from benchmark.data.batching import sorted_batches
from benchmark.models.probes.asr import can_emit, make_asr_probe
from benchmark.models.probes.classifier import IntentProbe
from benchmark.models.probes.config import ProbeConfig
from benchmark.models.probes.data import pad_codes
from benchmark.models.probes.module import Probe
from benchmark.models.probes.normalize import normalize
from benchmark.models.probes.phones import PhoneProbe
from benchmark.models.probes.units import units_of
from benchmark.storage.token_store import TokenStore
from benchmark.types import TokenizerSpec

WEIGHTS, LABELS = "model.safetensors", "labels.json"


def transcribe(
    folder: Path,
    spec: TokenizerSpec,
    tokens: TokenStore,
    ids: Sequence[str],
    config: ProbeConfig,
    device: str,
) -> dict[str, str]:
    """Transcribe utterances by the ASR probe that `train_probe` left in `folder`.

    Args:
        folder: Folder of the probe.
        spec: Tokenizer behind `tokens`.
        tokens: Codes of the utterances.
        ids: Utterances to transcribe; those without tokens (`tokens.failures`) get no answer.
        config: Config of the training.
        device: Device to run on.

    Returns:
        Transcript by id. Up to float rounding, an answer does not depend on the other utterances.
    """
    weights = load_file(folder / WEIGHTS)
    probe = make_asr_probe(spec, config, units_of(config, folder), _table_dim(weights))
    probe.load_state_dict(weights)
    return answers(probe, tokens, ids, device)


def infeasible(
    folder: Path, spec: TokenizerSpec, tokens: TokenStore, texts: Mapping[str, str], config: ProbeConfig
) -> int:
    """Count the utterances whose text the ASR probe in `folder` cannot emit, see `asr.can_emit`."""
    units = units_of(config, folder)
    return sum(
        not can_emit(units.encode(normalize(text)), tokens.frames(key), spec, config)
        for key, text in texts.items()
        if key in tokens
    )


def classify(
    folder: Path,
    spec: TokenizerSpec,
    tokens: TokenStore,
    ids: Sequence[str],
    config: ProbeConfig,
    device: str,
) -> dict[str, str]:
    """Classify intents or scenarios by the probe that `train_probe` left; arguments as in `transcribe`."""
    probe, classes = _labelling(IntentProbe, folder, spec, config)
    positions = answers(probe, tokens, ids, device)
    return {utterance_id: classes[position] for utterance_id, position in positions.items()}


def phones_by_frame(
    folder: Path,
    spec: TokenizerSpec,
    tokens: TokenStore,
    ids: Sequence[str],
    config: ProbeConfig,
    device: str,
) -> dict[str, list[str]]:
    """Return the phone of every upsampled frame by the probe that `train_probe` left in `folder`."""
    probe, phones = _labelling(PhoneProbe, folder, spec, config)
    positions = answers(probe, tokens, ids, device)
    return {utterance_id: [phones[place] for place in row] for utterance_id, row in positions.items()}


def _labelling(
    network: Callable[[TokenizerSpec, ProbeConfig, int, int | None], Probe],
    folder: Path,
    spec: TokenizerSpec,
    config: ProbeConfig,
) -> tuple[Probe, list[str]]:
    """Return the trained network in `folder` that chooses among labels, and the labels by position."""
    labels: list[str] = json.loads((folder / LABELS).read_text())
    weights = load_file(folder / WEIGHTS)
    probe = network(spec, config, len(labels), _table_dim(weights))
    probe.load_state_dict(weights)
    return probe, labels


def _table_dim(weights: Mapping[str, torch.Tensor]) -> int | None:
    """Return the width of the embedding table, which may be that of codebook vectors."""
    table = weights.get("frontend.embedding.weight")
    return None if table is None else table.shape[1]


@torch.no_grad()
def answers(probe: Probe, tokens: TokenStore, ids: Sequence[str], device: str) -> dict[str, Any]:
    """Run `probe.predict` on every utterance that has tokens, in batches of similar length."""
    probe.to(device).eval()
    present = [utterance_id for utterance_id in ids if utterance_id not in tokens.failures]
    found: dict[str, Any] = {}
    limit = probe.config.batch_frames(probe.spec.frame_rate)
    for batch in sorted_batches([tokens.frames(key) for key in present], probe.config.batch_size, limit):
        keys = [present[index] for index in batch]
        codes = [tokens[key] for key in keys]
        lengths = torch.tensor([item.shape[1] for item in codes])
        found |= zip(keys, probe.predict(pad_codes(codes).to(device), lengths.to(device)), strict=True)
    return {key: found[key] for key in present}
