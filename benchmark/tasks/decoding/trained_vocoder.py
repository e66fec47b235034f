"""The vocoder of a tokenizer's codes: the decision to use one, its key, and its training."""

import logging
from pathlib import Path
from typing import Literal, get_args

from benchmark.data.corpora.base import Corpus
from benchmark.errors import UserError, unknown
from benchmark.models.vocoder.config import VocoderConfig
from benchmark.models.vocoder.features import prompt_identity
from benchmark.models.vocoder.frame_rates import FrameRates
from benchmark.storage.identity import describe
from benchmark.tasks.base import RunContext
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokenizers.encoding.encode import encode_manifest, needs_fitted_codebook
from benchmark.training.trained_artifact import trained_artifact

log = logging.getLogger(__name__)

VOCODER_VERSION = 1
Decoder = Literal["auto", "own", "vocoder"]


def uses_vocoder(tokenizer: Tokenizer, decoder: Decoder = "auto") -> bool:
    """Tell whether the vocoder decodes this tokenizer's codes.

    Args:
        tokenizer: The tokenizer. A topline, which is the recording itself, is never decoded by a vocoder.
        decoder: "auto" uses the tokenizer's own decoder, or the vocoder if the tokenizer has none. "own"
            requires an own decoder. "vocoder" decodes the codes of all tokenizers by the vocoder.

    Raises: UserError for another value of `decoder`, or for "own" if the tokenizer has no decoder.
    """
    spec = tokenizer.spec
    if decoder not in get_args(Decoder):
        raise unknown("decoder", decoder, get_args(Decoder))
    if decoder == "own" and not spec.can_decode:
        raise UserError(
            f"{tokenizer.name} has no decoder of its own; legal for it: decoder=auto, decoder=vocoder"
        )
    return not spec.can_decode or (decoder == "vocoder" and spec.kind != "topline")


def takes_prompt(tokenizer: Tokenizer, decoder: Decoder = "auto") -> bool:
    """Tell whether a recording gives decoded speech its voice: the vocoder's prompt, or side information."""
    return uses_vocoder(tokenizer, decoder) or tokenizer.spec.decode_needs_prompt


def can_vocode(tokenizer: Tokenizer) -> bool:
    """Tell whether the vocoder supports the frame rate of the codes."""
    try:
        FrameRates.of(tokenizer.spec)
    except UserError:
        return False
    return True


def decoding_splits(tokenizer: Tokenizer, decoder: Decoder = "auto") -> tuple[str, ...]:
    """Return the splits that decoded speech depends on.

    A tokenizer with its own decoder and a fixed codebook needs no training speech.
    """
    if uses_vocoder(tokenizer, decoder):
        return ("train", "dev", "test")
    return ("train", "test") if needs_fitted_codebook(tokenizer) else ("test",)


def trained_vocoder(tokenizer: Tokenizer, corpus: Corpus, config: VocoderConfig, context: RunContext) -> Path:
    """Return the folder of the vocoder for this tokenizer's codes; train the vocoder if the store has none.

    The caller has already capped `config`, see `VocoderConfig.with_max_steps`.
    """
    source = tokenizer.base_tokenizer
    train, dev = (corpus.manifest(split, context.store) for split in ("train", "dev"))
    key = {
        "version": VOCODER_VERSION,
        "tokenizer": source.identity(),
        "train": train.digest,
        "dev": dev.digest,
        "config": describe(config),
        "prompt": prompt_identity(config.prompt),
        "precision": context.trainer.precision,
        "seed": context.seed,
    } | context.trainer_key

    def build(folder: Path) -> None:
        from benchmark.models.vocoder.train import train_vocoder  # imports Lightning, which is slow

        log.info("training vocoder %s on the codes of %s", config.name, source.name)
        tokens, dev_tokens = (
            encode_manifest(source, manifest, context.store, context.progress) for manifest in (train, dev)
        )
        train_vocoder(
            source.spec,
            source.codebook_vectors(),
            tokens,
            train,
            dev_tokens,
            dev,
            config,
            context.trainer,
            context.seed,
            folder,
            context.store,
        )

    return trained_artifact(context.store, "vocoders", key, build)
