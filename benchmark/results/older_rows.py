"""Table declarations for rows written before tasks declared their tables, so that reports can show them.

Nothing new belongs here: a task declares its table itself, and its rows carry the declaration.
"""

from math import inf
from typing import Any

TABLES: dict[str, dict[str, Any]] = {
    "reconstruction": {
        "name": "reconstruction",
        "title": "Reconstruction",
        "place": 10,
        "axis": "speech",
        "overview": ["wer", "gpe", "pesq", "stoi"],
    },
    "voice_conversion": {
        "name": "voice_conversion",
        "title": "Voice conversion",
        "place": 20,
        "by_condition": "Voice conversion by condition",
        "axis": "speech",
        "overview": ["wer", "secs", "p_corr"],
        "short": "Conversion",
    },
    "asr_probe": {
        "name": "probing",
        "title": "Probing",
        "place": 40,
        "axis": "content",
        "overview": ["probe_wer"],
    },
    "intent_probe": {
        "name": "probing",
        "title": "Probing",
        "place": 41,
        "axis": "content",
        "overview": ["intent_accuracy"],
    },
    "phone_probe": {"name": "probing", "title": "Probing", "place": 42, "axis": "content", "overview": []},
    "ctc_ablation": {"name": "ctc_ablation", "title": "CTC ablation", "place": 50, "compares_ranks": True},
    "codebook_usage": {"name": "codebook_usage", "title": "Codebook usage", "place": 60},
    "speed": {"name": "speed", "title": "Speed", "place": 70},
}
"""Declared tables by task."""


def _shown(label: str, unit: str, higher_is_better: bool | None, decimals: int, place: int) -> dict[str, Any]:
    return {
        "label": label,
        "unit": unit,
        "higher_is_better": higher_is_better,
        "decimals": decimals,
        "place": place,
    }


METRICS: dict[str, dict[str, Any]] = {
    "probe_wer": _shown("Probe WER", "%", False, 1, 0),
    "probe_cer": _shown("Probe CER", "%", False, 1, 1),
    "attention_wer": _shown("Attention WER", "%", False, 1, 2),
    "phone_error": _shown("Phone error", "%", False, 1, 3),
    "intent_accuracy": _shown("Intent accuracy", "%", True, 1, 4),
    "scenario_accuracy": _shown("Scenario accuracy", "%", True, 1, 5),
    "action_accuracy": _shown("Action accuracy", "%", True, 1, 6),
    "rtf_encode": _shown("Encoding", "× real time", False, 3, 7),
    "rtf_decode": _shown("Decoding", "× real time", False, 3, 8),
    "used": _shown("Used", "%", True, 1, 9),
    "perplexity": _shown("Perplexity", "", None, 1, 10),
    "entropy": _shown("Entropy", "bit/token", None, 2, 11),
    "bitrate_nominal": _shown("Nominal rate", "kbit/s", None, 3, 12),
    "bitrate_entropy": _shown("Order-0 rate", "kbit/s", None, 3, 13),
    "bitrate_conditional": _shown("Order-1 rate", "kbit/s", None, 3, 14),
    "run_length": _shown("Run", "ms", None, 0, 15),
    "phone_purity": _shown("Phone purity", "", None, 3, 16),
    "cluster_purity": _shown("Cluster purity", "", None, 3, 17),
    "pnmi": _shown("PNMI", "", True, 3, 18),
    "speaker_accuracy": _shown("Speaker accuracy", "%", None, 1, 19),
}
"""Label, unit, direction, decimals and place of metrics, for rows without this information."""

COUNTS: dict[str, tuple[str, str]] = {
    "probe_wer": ("words_wrong", "words"),
    "probe_cer": ("characters_wrong", "characters"),
    "attention_wer": ("words_wrong", "words"),
    "phone_error": ("frames_wrong", "frames"),
}
"""Columns of numerator and denominator by metric, for rows that do not name these columns."""

_SHARE, _RATE, _COSINE = (0.0, 100.0), (0.0, inf), (-1.0, 1.0)
ENDS: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("gpe", "vde", "ffe", "phone_error", "used", "speaker_accuracy"), _SHARE),
    **dict.fromkeys(("intent_accuracy", "scenario_accuracy", "action_accuracy"), _SHARE),
    **dict.fromkeys(("wer", "cer", "dwer", "mel_distance", "mcd", "rtf_encode", "rtf_decode"), _RATE),
    **dict.fromkeys(("stoi", "estoi", "secs", "secs_source", "p_corr", "f0_corr"), _COSINE),
    "pesq": (0.999, 4.644),
}
"""Smallest and largest value by metric, for rows that do not name them."""
