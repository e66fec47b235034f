"""Work of the jobs of a sweep: the artifacts that each job needs, with their time and disk space."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from benchmark.jobs.cost import cached as asks
from benchmark.jobs.cost.corpus_sizes import Speech, speech, split_key
from benchmark.jobs.cost.parameter_counts import probe_size, prompt_width, vocoder_size
from benchmark.jobs.cost.rates import Rates
from benchmark.jobs.job import Job
from benchmark.models.probes.config import ProbeConfig
from benchmark.models.vocoder.config import VocoderConfig
from benchmark.models.vocoder.data import PROMPT_HOP
from benchmark.models.vocoder.frame_rates import FrameRates
from benchmark.storage.hashing import digest
from benchmark.storage.identity import describe
from benchmark.storage.token_store import code_dtype
from benchmark.tasks.base import Task
from benchmark.tasks.costs import CostItem, ProbeHead
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokenizers.encoding.encode import FIT_HOURS, needs_fitted_codebook
from benchmark.training.budget import cap_schedule
from benchmark.types import SAMPLE_RATE

STAGES, EVALUATION = ("codebook", "tokens", "prompts", "vocoder", "probes"), "evaluation"

FLOAT, HALF = 4, 2
CHECKPOINT = 3 * FLOAT
"""Bytes per parameter in the checkpoint of a training: the weight and the two moments of Adam."""
CHECKPOINTS = 2
"""Number of checkpoints of a training, the last and the best; both are removed when the training ends."""
BACKWARD = 2
"""Cost of a backward pass in forward passes; an evaluation on dev is a forward pass only."""
PROMPT_SHARE = 5 / 12
"""Mean share of an utterance that a training cuts out as prompt; the share is between 1/3 and 1/2."""
AUXILIARY_FEATURES, AUXILIARY_SPEED = 3, 20
"""Number of auxiliary features, which are voicing, pitch and energy, and seconds of speech from which they
are extracted per second, approximately."""


def stages(items: Iterable[CostItem]) -> list[str]:
    """Return the stages of some items: first those of `STAGES`, then stages of tasks, last the evaluation."""
    found = {item.stage for item in items}
    own = sorted(found - {*STAGES, EVALUATION})
    return [stage for stage in (*STAGES, *own, EVALUATION) if stage in found]


class Workload:
    """Estimator of the pieces of work in jobs, from facts that are known without running anything.

    Args:
        rates: Rates by device, "cpu" and "gpu".
    """

    def __init__(self, rates: dict[str, Rates]) -> None:
        self._rates = rates
        self._speech: dict[str, Speech] = {}
        self.splits: dict[tuple[str, str], Speech] = {}
        """Speech of every split that was asked for, by name of the corpus and split."""
        self.undeclared: set[str] = set()
        """Names of tasks that declare no workload; only the encoding of their tokens is counted."""

    def pieces(self, job: Job) -> list[CostItem]:
        """Return every artifact that one job needs, and its own evaluation last."""
        if not job.task.can_read(job.tokenizer.spec):
            return []
        if type(job.task).workload is Task.workload:
            self.undeclared.add(job.task.name)
        return list(job.task.workload(JobEstimate(job, self, self._rates)))

    def speech(self, job: Job, split: str) -> Speech:
        """Return the speech of a split as `corpus_sizes.speech` does, but open each manifest only once."""
        key = digest([job.corpus.name, split_key(job.corpus, split)])
        if key not in self._speech:
            self._speech[key] = speech(job.corpus, split, job.context.store)
        return self.splits.setdefault((job.corpus.name, split), self._speech[key])


class JobEstimate:
    """Implementation of `Estimator` for one job."""

    def __init__(self, job: Job, workload: Workload, rates: dict[str, Rates]) -> None:
        self.tokenizer, self.corpus = job.tokenizer, job.corpus
        self.max_steps = job.context.trainer.max_steps
        self._job, self._workload = job, workload
        self._seed, self._trainer = job.context.seed, job.context.trainer
        self._device = "gpu" if job.context.device.startswith("cuda") else "cpu"
        self._trains_on = "gpu" if self._trainer.on_gpu else "cpu"
        self._rates, self._training_rates = rates[self._device], rates[self._trains_on]

    def seconds(self, split: str, limit: int | None = None) -> float:
        """Return the seconds of speech in a split, see `Estimator.seconds`."""
        return self._speech(split).at_most(limit).seconds

    def transcribing(self, checkpoint: str) -> float:
        """Return the seconds of speech transcribed per second, see `Estimator.transcribing`."""
        return self._rates.transcribe(checkpoint)

    def scoring(
        self, split: str = "test", limit: int | None = None, seconds: float = 0.0, size: float = 0.0
    ) -> CostItem:
        """Return the item for the evaluation of the job, see `Estimator.scoring`."""
        job = self._job
        key = self._key("evaluation", job.tokenizer, describe(job.task), split_key(job.corpus, split))
        seconds += self.seconds(split, limit) / self._rates.score(job.task.name)
        return CostItem(key, EVALUATION, job.tokenizer.name, seconds, size, device=self._device)

    def artifact(
        self, stage: str, seconds: float, size: float = 0.0, content: Any = None, trained: bool = False
    ) -> CostItem:
        """Return the item for an artifact of the task's own, see `Estimator.artifact`."""
        key = self._key(stage, self.tokenizer, content, describe(self._job.task), self.corpus.name)
        device = self._trains_on if trained else self._device
        return CostItem(key, stage, self.tokenizer.name, seconds, size, device=device)

    def _speech(self, split: str) -> Speech:
        return self._workload.speech(self._job, split)

    def encoding(
        self, split: str, tokenizer: Tokenizer | None = None, limit: int | None = None
    ) -> Iterator[CostItem]:
        """Yield the items for the codebook and the tokens of a split, see `Estimator.encoding`."""
        tokenizer = tokenizer or self._job.tokenizer
        spec, speed = tokenizer.spec, self._rates.encode(tokenizer)
        fitted = needs_fitted_codebook(tokenizer)
        if fitted:
            source = tokenizer.base_tokenizer
            key = self._key("codebook", source, split_key(self._job.corpus, "train"))
            seconds = min(self._speech("train").hours, FIT_HOURS) * 3600 / speed
            ask = asks.codebook(self._job, source)
            yield CostItem(key, "codebook", source.name, seconds, device=self._device, ask=ask)
        whole = self._speech(split)
        some = whole.at_most(limit)
        content = [split_key(self._job.corpus, split), some.utterances if some is not whole else None]
        key = self._key("tokens", tokenizer, *content, seeded=fitted)
        codes = some.seconds * spec.frame_rate * spec.num_codebooks
        size = codes * code_dtype(spec.codebook_size).itemsize
        ask = asks.tokens(self._job, tokenizer, split, limit)
        yield CostItem(
            key, "tokens", tokenizer.name, some.seconds / speed, size, device=self._device, ask=ask
        )

    def vocoder(self, source: Tokenizer, config: VocoderConfig) -> Iterator[CostItem]:
        """Yield the items for a vocoder and its features, see `Estimator.vocoder`."""
        train, dev = self._speech("train"), self._speech("dev")
        corpus = [split_key(self._job.corpus, split) for split in ("train", "dev")]
        both = train.seconds + dev.seconds
        length = min(config.max_seconds, max(config.min_seconds, train.mean))
        examples = config.steps * _mean_batch(config, length)
        on_the_fly = 0.0
        if config.prompt.features != "mel":
            speed = self._training_rates.prompt(config.prompt.features)
            if config.prompt.cache:
                width = prompt_width(config.prompt)
                size = both * SAMPLE_RATE / PROMPT_HOP * width * HALF
                key = digest(["prompts", describe(replace(config.prompt, prenet="stack")), corpus])
                ask = asks.prompts(self._job, config.prompt, width)
                yield CostItem(key, "prompts", "", both / speed, size, device=self._trains_on, ask=ask)
            else:
                on_the_fly = examples * PROMPT_SHARE * length / speed
        if config.auxiliary is not None:
            model_rate = FrameRates.of(source.spec).model_rate
            size = both * model_rate * AUXILIARY_FEATURES * FLOAT
            key = digest(["auxiliary", model_rate, source.spec.frame_offset, corpus])
            yield CostItem(key, "prompts", "", both / AUXILIARY_SPEED, size, device=self._trains_on)
        speed = self._training_rates.vocoder(config.name)
        seconds = examples * config.segment_seconds / speed + on_the_fly
        network = vocoder_size(config, source)
        scratch = (network.kept + network.beside) * CHECKPOINT * CHECKPOINTS
        key = self._key("vocoder", source, describe(config), *corpus)
        ask, size = asks.vocoder(self._job, source, config), network.kept * FLOAT
        yield CostItem(key, "vocoder", source.name, seconds, size, scratch, self._trains_on, ask)

    def probe(self, config: ProbeConfig, head: ProbeHead) -> CostItem:
        """Return the item for the training of a probe, see `Estimator.probe`."""
        tokenizer, train, dev = self._job.tokenizer, self._speech("train"), self._speech("dev")
        spec = tokenizer.spec
        rows = _mean_batch(config, train.mean)
        a_pass = round(train.utterances / rows) or 1
        pilots = len(config.learning_rates) if len(config.learning_rates) > 1 else 0
        budgets = [config.epochs] + [config.pilot_epochs] * pilots
        cap = self._trainer.max_steps
        runs = [cap_schedule(config.steps_per_epoch or a_pass, epochs, cap) for epochs in budgets]
        steps, looks = sum(per * epochs for per, epochs in runs), sum(epochs for _, epochs in runs)
        rate = spec.frame_rate * config.upsampling(spec.frame_rate)
        frames = rate * (steps * rows * train.mean + looks * dev.seconds / (1 + BACKWARD))
        in_a_row = rate * (steps * train.mean + looks * dev.seconds / rows / (1 + BACKWARD)) * config.layers
        network = probe_size(config, head, spec)
        speed = self._training_rates.probe
        seconds = max(
            frames * network.per_frame / speed("parameter_frames"), in_a_row / speed("frames_in_a_row")
        )
        corpus = [split_key(self._job.corpus, split) for split in ("train", "dev")]
        key = self._key("probe", tokenizer, head.kind, describe(config), *corpus)
        size, scratch = network.kept * FLOAT, network.kept * CHECKPOINT * CHECKPOINTS
        ask = asks.probe(self._job, config, head)
        return CostItem(key, "probes", tokenizer.name, seconds, size, scratch, self._trains_on, ask)

    def _key(self, kind: str, tokenizer: Tokenizer, *content: Any, seeded: bool = True) -> str:
        """Return the key of an artifact of a tokenizer.

        `seeded` is False for tokens of a codebook that is not fitted, which do not depend on the seed.
        """
        seed = self._seed if seeded else None
        return digest([kind, describe(tokenizer), seed, self._trainer.max_steps, *content])


def _mean_batch(config: VocoderConfig | ProbeConfig, length: float) -> float:
    """Return the mean number of utterances per step, for utterances of `length` seconds (0: not known).

    `batch_seconds` lets in fewer than `batch_size`, but never fewer than two, see `data.batching.cut`.
    """
    if config.batch_seconds is None or not length:
        return config.batch_size
    return min(config.batch_size, max(2.0, config.batch_seconds / length))
