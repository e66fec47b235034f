"""Questions whether the artifacts of a job exist already, asked of a store that builds nothing.

Each question is the call by which the job would make the artifact.
"""

from typing import Any

import torch

from benchmark.jobs.job import Job
from benchmark.models.probes.config import ProbeConfig
from benchmark.models.vocoder.config import PromptConfig, VocoderConfig
from benchmark.models.vocoder.features import prompt_store
from benchmark.tasks.costs import Ask, ProbeHead
from benchmark.tasks.decoding.trained_vocoder import trained_vocoder
from benchmark.tasks.probing.base import tokenized_splits
from benchmark.tasks.probing.trained_probe import trained_probe
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokenizers.encoding.encode import encode_manifest, fit_codebook
from benchmark.tokenizers.hearing import hearing


def codebook(job: Job, tokenizer: Tokenizer) -> Ask:
    """Return the question for the codebook of a tokenizer."""
    return lambda: _fitted(job, tokenizer)


def tokens(job: Job, tokenizer: Tokenizer, split: str, limit: int | None) -> Ask:
    """Return the question for the tokens of a split, or of at most `limit` utterances in it."""

    def ask() -> object:
        store = job.context.store
        manifest = job.corpus.manifest(split, store).subset(limit)
        return encode_manifest(_fitted(job, tokenizer), manifest, store)

    return ask


def vocoder(job: Job, source: Tokenizer, config: VocoderConfig) -> Ask:
    """Return the question for the vocoder that is trained on the codes of `source`."""
    return lambda: trained_vocoder(_fitted(job, source), job.corpus, config, job.context)


def prompts(job: Job, config: PromptConfig, width: int) -> Ask:
    """Return the question for the stored prompt features, `width` per frame, of the splits train and dev."""

    def ask() -> object:
        store = job.context.store
        return [
            prompt_store(config, _NeverCalled(width), job.corpus.manifest(split, store), store, "cpu")
            for split in ("train", "dev")
        ]

    return ask


def probe(job: Job, config: ProbeConfig, head: ProbeHead) -> Ask | None:
    """Return the question for a trained probe, or None for a probe whose labels are not in the manifest.

    Such labels would have to be made first, so only the rows tell whether the probe exists.
    """
    if not head.labels_in_manifest:
        return None

    def ask() -> object:
        own = _fitted(job, job.tokenizer)
        train, dev, _ = tokenized_splits(own, job.corpus, job.context)
        return trained_probe(head.target, own, (train, {}), (dev, {}), config, job.context)

    return ask


def _fitted(job: Job, tokenizer: Tokenizer) -> Tokenizer:
    heard = hearing(tokenizer, job.corpus, job.context.store)
    return fit_codebook(heard, job.corpus, job.context.store, job.context.seed)


class _NeverCalled:
    """Stand-in for a prompt encoder, whose weights need not be on this machine."""

    def __init__(self, features: int) -> None:
        self.features = features

    def __call__(self, wav: torch.Tensor, lengths: torch.Tensor) -> Any:  # noqa: ARG002
        raise AssertionError("a plan asks what is there, and encodes nothing")
