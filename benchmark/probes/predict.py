"""Answers of a trained probe, read from its folder."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from benchmark.data.batching import sorted_batches
from benchmark.probes.classifier import IntentProbe
from benchmark.probes.config import ProbeConfig
from benchmark.probes.ctc import CTCProbe
from benchmark.probes.data import pad_codes
from benchmark.tokens.store import TokenStore
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
    """Greedy transcripts by the ASR probe that `train_asr_probe` left in `folder`.

    Args:
        folder: The probe's folder.
        spec: Tokenizer behind `tokens`.
        tokens: Codes of the utterances.
        ids: Utterances wanted; those without tokens (`tokens.failures`) get no answer.
        config: As in training.
        device: Where to run.

    Returns:
        Transcript by id. An answer does not depend on the other utterances, but for float rounding.
    """
    probe = CTCProbe(spec, config)
    probe.load_state_dict(load_file(folder / WEIGHTS))
    return answers(probe, tokens, ids, device)


def classify(
    folder: Path,
    spec: TokenizerSpec,
    tokens: TokenStore,
    ids: Sequence[str],
    config: ProbeConfig,
    device: str,
) -> dict[str, str]:
    """Intents by the probe that `train_intent_probe` left in `folder`; arguments as `transcribe`."""
    intents: list[str] = json.loads((folder / LABELS).read_text())
    probe = IntentProbe(spec, config, len(intents))
    probe.load_state_dict(load_file(folder / WEIGHTS))
    positions = answers(probe, tokens, ids, device)
    return {utterance_id: intents[position] for utterance_id, position in positions.items()}


@torch.no_grad()
def answers(
    probe: CTCProbe | IntentProbe, tokens: TokenStore, ids: Sequence[str], device: str
) -> dict[str, Any]:
    """`probe.predict` for every utterance that has tokens, in batches of similar length."""
    probe.to(device).eval()
    present = [utterance_id for utterance_id in ids if utterance_id not in tokens.failures]
    found: dict[str, Any] = {}
    for batch in sorted_batches([tokens.frames(key) for key in present], probe.config.batch_size):
        keys = [present[index] for index in batch]
        codes = [tokens[key] for key in keys]
        lengths = torch.tensor([item.shape[1] for item in codes])
        found |= zip(keys, probe.predict(pad_codes(codes).to(device), lengths.to(device)), strict=True)
    return {key: found[key] for key in present}
