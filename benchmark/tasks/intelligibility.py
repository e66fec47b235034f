"""WER of decoded speech: what reconstruction and voice conversion have in common."""

from dataclasses import dataclass

import pandas as pd

from benchmark.data.manifest import Manifest
from benchmark.metrics.asr import Transcriber, load_transcriber
from benchmark.metrics.definitions import DEFINITIONS
from benchmark.metrics.statistics import Interval, mean_interval, ratio_interval
from benchmark.metrics.text import word_errors
from benchmark.tasks.base import Measure, Setting, speakers
from benchmark.tasks.references import transcripts
from benchmark.tasks.resynthesis import Resynthesis


@dataclass(frozen=True, kw_only=True)
class AsrConfig:
    """Which Whisper listens."""

    name: str
    """The model, as the rows name it."""
    checkpoint: str
    revision: str | None = None
    batch_size: int = 8

    def load(self, device: str) -> Transcriber:
        """The transcriber; raises UserError when its weights are not at hand."""
        return load_transcriber(self.checkpoint, self.revision, device, self.batch_size)


def score_frame(manifest: Manifest, resynthesis: Resynthesis) -> pd.DataFrame:
    """One row per utterance, failed ones included with their reason in `failure`."""
    frame = pd.DataFrame(
        {
            "utterance_id": [u.utterance_id for u in manifest],
            "speaker_id": [u.speaker_id for u in manifest],
            "reference": [u.text for u in manifest],
        },
        dtype=object,
    )
    frame["failure"] = frame["utterance_id"].map(resynthesis.failures).astype(object)
    return frame


def add_word_errors(
    frame: pd.DataFrame, resynthesis: Resynthesis, transcriber: Transcriber, setting: Setting
) -> None:
    """Add the columns hypothesis, edits and words; NaN where there is no audio or no reference."""
    texts = transcripts(resynthesis.files, resynthesis.folder.name, transcriber, setting)
    frame["hypothesis"] = frame["utterance_id"].map(texts).astype(object)
    counts = [
        word_errors(reference, hypothesis)
        if isinstance(reference, str) and isinstance(hypothesis, str)
        else (float("nan"), float("nan"))
        for reference, hypothesis in zip(frame["reference"], frame["hypothesis"], strict=True)
    ]
    frame["edits"], frame["words"] = zip(*counts, strict=True)
    no_text = frame["words"].isna() & frame["failure"].isna()
    frame.loc[no_text, "failure"] = "no reference transcript"


def word_error_rate(frame: pd.DataFrame, asr: AsrConfig, transcriber: Transcriber) -> Measure:
    """Corpus WER in percent, bootstrapped over speakers."""
    ratio = ratio_interval(frame["edits"], frame["words"], speakers(frame))
    definition = f"{DEFINITIONS['wer'].definition}; ASR {asr.name} from {transcriber.name}"
    return Measure(metric="wer", interval=ratio.scaled(100), definition=definition)


def mean_measures(frame: pd.DataFrame, metrics: tuple[str, ...]) -> list[Measure]:
    """The mean of each column, bootstrapped over speakers."""
    return [
        Measure(metric=name, interval=mean_of(frame, name), definition=DEFINITIONS[name].definition)
        for name in metrics
    ]


def mean_of(frame: pd.DataFrame, column: str) -> Interval:
    """Mean and interval of one column, NaN counted as failed."""
    return mean_interval(frame[column], speakers(frame))
