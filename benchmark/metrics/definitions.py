"""What every metric means: the sentence beside each number, and how a table prints it."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Definition:
    """Facts of one metric."""

    label: str
    unit: str
    """Empty for a number without one."""
    higher_is_better: bool | None
    """None where neither is."""
    decimals: int
    definition: str


PITCH = "pyworld DIO+StoneMask, 60–500 Hz, 10 ms"
ALIGNED = "delay within ±100 ms removed, length cut to the original's"
NORMALISER = "Whisper English normaliser on both sides"
CTC_READER = "BiLSTM CTC over tokens, greedy"
ATTENTION_READER = "BiLSTM and attention decoder over tokens, greedy"
PLUG_IN = "plug-in estimate, biased low on short data"
HUBERT = (
    "as Hsu et al. (2021), at the centre of each token, silence counted as a phone, of the codebook with the "
    "highest PNMI"
)

DEFINITIONS: dict[str, Definition] = {
    "wer": Definition(
        label="WER",
        unit="%",
        higher_is_better=False,
        decimals=1,
        definition=(
            f"corpus level (Σ edits / Σ words), jiwer, {NORMALISER}, greedy Whisper, 10 tokens/s at most"
        ),
    ),
    "gpe": Definition(
        label="GPE",
        unit="%",
        higher_is_better=False,
        decimals=1,
        definition=f"frames voiced in both whose F0 is off by more than 20 %, {PITCH}, mean over files",
    ),
    "vde": Definition(
        label="VDE",
        unit="%",
        higher_is_better=False,
        decimals=1,
        definition=f"frames voiced in one signal and not in the other, {PITCH}, mean over files",
    ),
    "pesq": Definition(
        label="PESQ",
        unit="",
        higher_is_better=True,
        decimals=2,
        definition=f"wideband, 16 kHz, ITU-T P.862.2, mean over files, {ALIGNED}",
    ),
    "stoi": Definition(
        label="STOI",
        unit="",
        higher_is_better=True,
        decimals=3,
        definition=f"pystoi, not extended, mean over files, {ALIGNED}",
    ),
    "mel_distance": Definition(
        label="Mel distance",
        unit="",
        higher_is_better=False,
        decimals=3,
        definition=(
            "mean absolute difference of natural-log amplitude mel, FFT 1024, hop 256, 80 Slaney bands "
            f"0–8000 Hz, floor 1e-5, mean over files, {ALIGNED}"
        ),
    ),
    "delay": Definition(
        label="Delay",
        unit="samples",
        higher_is_better=None,
        decimals=0,
        definition="lag of decoded behind original speech at 16 kHz by cross-correlation",
    ),
    "secs": Definition(
        label="SECS target",
        unit="",
        higher_is_better=True,
        decimals=3,
        definition=(
            "cosine of Resemblyzer embeddings of converted speech and the target speaker's prompt, after "
            "its volume normalisation and VAD, mean over files"
        ),
    ),
    "secs_source": Definition(
        label="SECS source",
        unit="",
        higher_is_better=False,
        decimals=3,
        definition="as SECS target, of converted speech and the source recording: what is left of its voice",
    ),
    "p_corr": Definition(
        label="P.Corr",
        unit="",
        higher_is_better=True,
        decimals=3,
        definition=(
            "Pearson correlation of the F0 of source and converted speech on frames voiced in both, at least "
            f"10, {PITCH}, mean over files"
        ),
    ),
    "probe_wer": Definition(
        label="Probe WER",
        unit="%",
        higher_is_better=False,
        decimals=1,
        definition=f"{CTC_READER}, corpus level (Σ edits / Σ words), jiwer, {NORMALISER}",
    ),
    "probe_cer": Definition(
        label="Probe CER",
        unit="%",
        higher_is_better=False,
        decimals=1,
        definition=(
            f"{CTC_READER}, corpus level (Σ edits / Σ characters, spaces included), jiwer, {NORMALISER}"
        ),
    ),
    "attention_wer": Definition(
        label="Attention WER",
        unit="%",
        higher_is_better=False,
        decimals=1,
        definition=f"{ATTENTION_READER}, corpus level (Σ edits / Σ words), jiwer, {NORMALISER}",
    ),
    "phone_error": Definition(
        label="Phone error",
        unit="%",
        higher_is_better=False,
        decimals=1,
        definition=(
            "BiLSTM over tokens with cross-entropy on every frame, share of frames whose phone at the centre "
            "is wrong, silence counted as a phone"
        ),
    ),
    "intent_accuracy": Definition(
        label="Intent accuracy",
        unit="%",
        higher_is_better=True,
        decimals=1,
        definition="BiLSTM over tokens with pooling, share of utterances whose scenario_action is right",
    ),
    "scenario_accuracy": Definition(
        label="Scenario accuracy",
        unit="%",
        higher_is_better=True,
        decimals=1,
        definition="share of utterances where the predicted intent's scenario is right",
    ),
    "action_accuracy": Definition(
        label="Action accuracy",
        unit="%",
        higher_is_better=True,
        decimals=1,
        definition="share of utterances where the predicted intent's action is right",
    ),
    "used": Definition(
        label="Used",
        unit="%",
        higher_is_better=True,
        decimals=1,
        definition="codebook entries that occur at all, mean over codebooks",
    ),
    "perplexity": Definition(
        label="Perplexity",
        unit="",
        higher_is_better=None,
        decimals=1,
        definition=f"2 to the power of the order-0 entropy, mean over codebooks; {PLUG_IN}",
    ),
    "entropy": Definition(
        label="Entropy",
        unit="bit/token",
        higher_is_better=None,
        decimals=2,
        definition=f"order-0 entropy of the codes, mean over codebooks; {PLUG_IN}",
    ),
    "bitrate_nominal": Definition(
        label="Nominal rate",
        unit="kbit/s",
        higher_is_better=None,
        decimals=3,
        definition="frame rate × Σ log2 of codebook sizes",
    ),
    "bitrate_entropy": Definition(
        label="Order-0 rate",
        unit="kbit/s",
        higher_is_better=None,
        decimals=3,
        definition=f"frame rate × Σ order-0 entropy over codebooks; {PLUG_IN}",
    ),
    "bitrate_conditional": Definition(
        label="Order-1 rate",
        unit="kbit/s",
        higher_is_better=None,
        decimals=3,
        definition=(
            "frame rate × Σ over codebooks of the entropy of a code given the one before it in the same "
            f"codebook; {PLUG_IN}, more so than order 0"
        ),
    ),
    "run_length": Definition(
        label="Run",
        unit="ms",
        higher_is_better=None,
        decimals=0,
        definition="mean duration of a run of equal codes, mean over codebooks",
    ),
    "phone_purity": Definition(
        label="Phone purity",
        unit="",
        higher_is_better=None,
        decimals=3,
        definition=f"share of tokens whose phone is the most frequent one of their code, {HUBERT}",
    ),
    "cluster_purity": Definition(
        label="Cluster purity",
        unit="",
        higher_is_better=None,
        decimals=3,
        definition=f"share of tokens whose code is the most frequent one of their phone, {HUBERT}",
    ),
    "pnmi": Definition(
        label="PNMI",
        unit="",
        higher_is_better=True,
        decimals=3,
        definition=(
            f"I(phone; code) / H(phone), {HUBERT}; grows with the number of codes, more so on short data: "
            "the rows' notes hold its value for permuted phones"
        ),
    ),
    "speaker_accuracy": Definition(
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

CONVERSION_METRICS = ("wer", "secs", "secs_source", "p_corr")
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


DEFINITIONS |= {
    under(metric, condition): replace(
        DEFINITIONS[metric],
        label=f"{DEFINITIONS[metric].label}, {label}",
        definition=f"as {DEFINITIONS[metric].label} of all pairs, over those with {meaning}",
    )
    for metric in CONVERSION_METRICS
    for condition, (label, meaning) in CONDITIONS.items()
}
