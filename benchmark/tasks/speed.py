"""Speed: real-time factors of encoding and decoding."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch

from benchmark.data.audio import AudioError, read_audio
from benchmark.data.corpora.base import Corpus
from benchmark.metrics.reported import ReportedMetric, stated
from benchmark.models.vocoder.synthesize import Vocoder
from benchmark.storage.identity import KEY_UNLESS_DEFAULT
from benchmark.tasks.base import Measure, Outcome, RunContext, failure_reasons, not_applicable
from benchmark.tasks.decoding.base import DecodingTask, interval_of
from benchmark.tasks.decoding.prompts import own_prompts
from benchmark.tasks.decoding.trained_vocoder import trained_vocoder, uses_vocoder
from benchmark.tasks.table_layout import TableLayout
from benchmark.tokenizers.base import Tokenizer
from benchmark.training.machine import torch_threads
from benchmark.training.report import read_report
from benchmark.types import SAMPLE_RATE

ALONE = "(Σ / Σ over files), one utterance at a time by a loaded model"
SideInfo = list[torch.Tensor] | None
Decode = Callable[[torch.Tensor, SideInfo, np.ndarray, int], object]
"""Turns codes (1, K, T), side information and a prompt (samples,) into speech of a number of samples."""


@dataclass(kw_only=True)
class Speed(DecodingTask):
    """Real-time factors of encoding and decoding, on the device of the run.

    Utterances are processed one at a time, as in streaming and in the tables of codec papers. The model is
    loaded and warmed up by one utterance before the clock starts. Encoding includes the side information that
    a codec sends beside its codes. Nothing comes from the cache.

    Attributes:
        threads: Threads of the models on a CPU.
    """

    table: ClassVar[TableLayout | None] = TableLayout(name="speed", title="Speed", place=70)
    reports: ClassVar[Mapping[str, ReportedMetric]] = {
        "rtf_encode": stated(
            "Encoding",
            "× real time",
            False,
            3,
            f"seconds of computation per second of speech {ALONE}",
            least=0.0,
        ),
        "rtf_decode": stated(
            "Decoding",
            "× real time",
            False,
            3,
            f"seconds of computation per second of speech, from codes, {ALONE}",
            least=0.0,
        ),
    }

    threads: int = field(default=1, metadata=KEY_UNLESS_DEFAULT)

    def identity(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> dict[str, Any]:
        """Add the GPU or the number of threads to the base class's identity."""
        return super().identity(tokenizer, corpus, context) | {"where": self._where(context)}

    def run(self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext) -> Outcome:
        """See `Task.run`."""
        if tokenizer.spec.kind == "topline":
            return not_applicable("it is a topline: the recording itself, or its features")
        if reason := self.why_not(tokenizer):
            return not_applicable(reason)
        test = corpus.manifest("test", context.store).subset(self.limit)
        prompts = own_prompts(corpus, test, context.store)
        label, status, reason, decode = self._decoder(tokenizer, corpus, context)
        load = os.getloadavg()[0]
        rows: list[dict[str, Any]] = []
        for utterance in test:
            row: dict[str, Any] = {
                "utterance_id": utterance.utterance_id,
                "speaker_id": utterance.speaker_id,
                "rtf_encode": float("nan"),
                "rtf_decode": float("nan"),
                "failure": None,
            }
            try:
                wav = read_audio(utterance.audio_path, tokenizer.input_rate)
                prompt = read_audio(prompts.get(utterance.utterance_id, utterance).audio_path)
            except AudioError as error:
                rows.append(row | {"failure": str(error)})
                continue
            if not any(earlier["failure"] is None for earlier in rows):
                self._once(tokenizer, decode, wav, prompt)  # warm-up: the first call may load or compile
            encode_seconds, decode_seconds = self._once(tokenizer, decode, wav, prompt)
            seconds = len(wav) / tokenizer.input_rate
            row |= {"rtf_encode": encode_seconds / seconds, "rtf_decode": decode_seconds / seconds}
            rows.append(row | {"rtf_encode:weight": seconds, "rtf_decode:weight": seconds})
        frame = pd.DataFrame(rows)
        return Outcome(
            measures=[
                Measure(
                    metric=name,
                    interval=interval_of(frame, name, metric.facts.within, context),
                    definition=f"{metric.definition}; {self._where(context)}",
                )
                for name, metric in self.reports.items()
            ],
            utterances=frame,
            decoder=label,
            status=status,
            reason=reason,
            notes={"load_average": load, "failures": failure_reasons(frame)},
        )

    def _where(self, context: RunContext) -> str:
        """Name the processor of a run, as metric definitions print the name."""
        if context.device.startswith("cuda"):
            return f"on one {torch.cuda.get_device_name(context.device)}"
        return f"on the CPU, {self.threads} thread{'s' if self.threads > 1 else ''}"

    def _decoder(
        self, tokenizer: Tokenizer, corpus: Corpus, context: RunContext
    ) -> tuple[str, Any, str, Decode]:
        """Return label, status, reason of the status, and decoding function of the decoder in use."""
        if not uses_vocoder(tokenizer, self.decoder):

            def own(codes: torch.Tensor, side: SideInfo, _: np.ndarray, samples: int) -> object:
                frames = torch.tensor([codes.shape[-1]])
                return tokenizer.decode(codes, frames, torch.tensor([samples]), side)

            return "own", "ok", "", own
        config = self.vocoder.with_max_steps(context.trainer.max_steps)
        folder, source = trained_vocoder(tokenizer, corpus, config, context), tokenizer.base_tokenizer
        report = read_report(folder)
        vocoder = Vocoder.load(folder, source.spec, source.codebook_vectors(), config, context.device)

        def vocode(codes: torch.Tensor, _: SideInfo, prompt: np.ndarray, samples: int) -> object:
            return vocoder.synthesize([codes[0].numpy()], [prompt], [samples])

        return config.label, report["status"], report["reason"], vocode

    def _once(
        self, tokenizer: Tokenizer, decode: Decode, wav: np.ndarray, prompt: np.ndarray
    ) -> tuple[float, float]:
        """Measure the seconds of encoding and of decoding one utterance.

        Codes and speech are copied to the CPU within the measured time, so that a GPU has finished its work.
        """
        with torch_threads(self.threads):
            start = time.perf_counter()
            codes, lengths = tokenizer.encode(torch.from_numpy(wav)[None], torch.tensor([len(wav)]))
            side = None
            if tokenizer.spec.decode_needs_prompt:
                side = [tokenizer.extract_side_info(torch.from_numpy(wav))]
            middle = time.perf_counter()
            samples = round(len(wav) * SAMPLE_RATE / tokenizer.input_rate)
            decode(codes[..., : int(lengths[0])], side, prompt, samples)
            return middle - start, time.perf_counter() - middle
