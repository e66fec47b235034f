"""How a table prints a metric and the sentence beside it, and what probes and codes are measured by.

Metrics of decoded speech say what they are themselves, see `metrics.base`.
"""

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class MetricInfo:
    """Facts of one metric."""

    label: str
    unit: str
    """Empty for a number without one."""
    higher_is_better: bool | None
    """None where neither is."""
    decimals: int
    definition: str
    family: int = 0
    """Columns of a family stand side by side, in ascending order."""


NORMALISER = "Whisper English normaliser on both sides"
CTC_READER = "BiLSTM CTC over tokens, greedy"
ATTENTION_READER = "BiLSTM and attention decoder over tokens, greedy"
PLUG_IN = "plug-in estimate, biased low on short data"
ALONE = "(Σ / Σ over files), one utterance at a time by a loaded model"
HUBERT = (
    "as Hsu et al. (2021), at the centre of each token, silence counted as a phone, of the codebook with the "
    "highest PNMI"
)

DEFINITIONS: dict[str, MetricInfo] = {
    "probe_wer": MetricInfo(
        label="Probe WER",
        unit="%",
        higher_is_better=False,
        decimals=1,
        definition=f"{CTC_READER}, corpus level (Σ edits / Σ words), jiwer, {NORMALISER}",
    ),
    "probe_cer": MetricInfo(
        label="Probe CER",
        unit="%",
        higher_is_better=False,
        decimals=1,
        definition=(
            f"{CTC_READER}, corpus level (Σ edits / Σ characters, spaces included), jiwer, {NORMALISER}"
        ),
    ),
    "attention_wer": MetricInfo(
        label="Attention WER",
        unit="%",
        higher_is_better=False,
        decimals=1,
        definition=f"{ATTENTION_READER}, corpus level (Σ edits / Σ words), jiwer, {NORMALISER}",
    ),
    "phone_error": MetricInfo(
        label="Phone error",
        unit="%",
        higher_is_better=False,
        decimals=1,
        definition=(
            "BiLSTM over tokens with cross-entropy on every frame, share of frames whose phone at the centre "
            "is wrong, silence counted as a phone"
        ),
    ),
    "intent_accuracy": MetricInfo(
        label="Intent accuracy",
        unit="%",
        higher_is_better=True,
        decimals=1,
        definition="BiLSTM over tokens with pooling, share of utterances whose scenario_action is right",
    ),
    "scenario_accuracy": MetricInfo(
        label="Scenario accuracy",
        unit="%",
        higher_is_better=True,
        decimals=1,
        definition="share of utterances where the predicted intent's scenario is right",
    ),
    "action_accuracy": MetricInfo(
        label="Action accuracy",
        unit="%",
        higher_is_better=True,
        decimals=1,
        definition="share of utterances where the predicted intent's action is right",
    ),
    "rtf_encode": MetricInfo(
        label="Encoding",
        unit="× real time",
        higher_is_better=False,
        decimals=3,
        definition=f"seconds of computation per second of speech {ALONE}",
    ),
    "rtf_decode": MetricInfo(
        label="Decoding",
        unit="× real time",
        higher_is_better=False,
        decimals=3,
        definition=f"seconds of computation per second of speech, from codes, {ALONE}",
    ),
    "used": MetricInfo(
        label="Used",
        unit="%",
        higher_is_better=True,
        decimals=1,
        definition="codebook entries that occur at all, mean over codebooks",
    ),
    "perplexity": MetricInfo(
        label="Perplexity",
        unit="",
        higher_is_better=None,
        decimals=1,
        definition=f"2 to the power of the order-0 entropy, mean over codebooks; {PLUG_IN}",
    ),
    "entropy": MetricInfo(
        label="Entropy",
        unit="bit/token",
        higher_is_better=None,
        decimals=2,
        definition=f"order-0 entropy of the codes, mean over codebooks; {PLUG_IN}",
    ),
    "bitrate_nominal": MetricInfo(
        label="Nominal rate",
        unit="kbit/s",
        higher_is_better=None,
        decimals=3,
        definition="frame rate × Σ log2 of codebook sizes",
    ),
    "bitrate_entropy": MetricInfo(
        label="Order-0 rate",
        unit="kbit/s",
        higher_is_better=None,
        decimals=3,
        definition=f"frame rate × Σ order-0 entropy over codebooks; {PLUG_IN}",
    ),
    "bitrate_conditional": MetricInfo(
        label="Order-1 rate",
        unit="kbit/s",
        higher_is_better=None,
        decimals=3,
        definition=(
            "frame rate × Σ over codebooks of the entropy of a code given the one before it in the same "
            f"codebook; {PLUG_IN}, more so than order 0"
        ),
    ),
    "run_length": MetricInfo(
        label="Run",
        unit="ms",
        higher_is_better=None,
        decimals=0,
        definition="mean duration of a run of equal codes, mean over codebooks",
    ),
    "phone_purity": MetricInfo(
        label="Phone purity",
        unit="",
        higher_is_better=None,
        decimals=3,
        definition=f"share of tokens whose phone is the most frequent one of their code, {HUBERT}",
    ),
    "cluster_purity": MetricInfo(
        label="Cluster purity",
        unit="",
        higher_is_better=None,
        decimals=3,
        definition=f"share of tokens whose code is the most frequent one of their phone, {HUBERT}",
    ),
    "pnmi": MetricInfo(
        label="PNMI",
        unit="",
        higher_is_better=True,
        decimals=3,
        definition=(
            f"I(phone; code) / H(phone), {HUBERT}; grows with the number of codes, more so on short data: "
            "the rows' notes hold its value for permuted phones"
        ),
    ),
    "speaker_accuracy": MetricInfo(
        label="Speaker accuracy",
        unit="%",
        higher_is_better=None,
        decimals=1,
        definition=(
            "test utterances whose speaker a linear classifier (multinomial logistic regression) tells from "
            "how often each code occurs in them, each codebook's counts summing to one; 5-fold "
            "cross-validation over utterances, at most 1000"
        ),
    ),
}

CONDITIONS = {
    "same_gender": ("same gender", "two speakers of one gender, both recordings in one language"),
    "cross_gender": ("cross-gender", "speakers of different gender, both recordings in one language"),
    "cross_lingual": ("cross-lingual", "another speaker's prompt in another language than the source"),
    "self": ("self", "another recording of the source's own speaker as the prompt"),
}
"""Label and meaning of the conditions under which voice conversion is measured."""


def under(metric: str, condition: str) -> str:
    """Name of a metric over the utterances of one condition."""
    return f"{metric}/{condition}"


def restricted(definition: MetricInfo, condition: str) -> MetricInfo:
    """A metric over the utterances of one condition."""
    label, meaning = CONDITIONS[condition]
    return replace(
        definition,
        label=f"{definition.label}, {label}",
        definition=f"as {definition.label} of all pairs, over those with {meaning}",
    )
