"""Codes back to speech: by the tokenizer's own decoder, or by a vocoder trained on its codes."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd
import torch

from benchmark.artifacts import describe
from benchmark.data.audio import AudioError, read_audio, write_audio
from benchmark.data.batching import equal_length_batches
from benchmark.data.corpus import Corpus
from benchmark.data.manifest import Manifest
from benchmark.errors import UserError, unknown
from benchmark.frames.shards import Part, Recipe, make, make_shards, shard
from benchmark.tasks.base import Setting, Status
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokens.encode import encode_manifest, fit_codebook, has_codebook
from benchmark.tokens.store import TokenStore
from benchmark.trained import trained_artifact
from benchmark.training import read_report
from benchmark.types import SAMPLE_RATE, Utterance
from benchmark.vocoder.config import VocoderConfig
from benchmark.vocoder.features import prompt_identity
from benchmark.vocoder.synthesize import Vocoder
from benchmark.vocoder.train import train_vocoder

log = logging.getLogger(__name__)

VOCODER_VERSION = 1
RESYNTHESIS_VERSION = 1
BATCH = 8
AT_ONCE = 64
"""Utterances whose speech is in memory at once, and what a kill can cost."""
INDEX = "index.parquet"
Decoded = tuple[dict[str, np.ndarray], dict[str, str]]
"""Speech by id, and the reason where there is none."""


Decoder = Literal["auto", "own", "vocoder"]


@dataclass(frozen=True)
class Resynthesis:
    """Decoded speech of a manifest, or a part of it: one FLAC per utterance, or the reason there is none."""

    folder: Path
    """Of the whole, which need not be there yet where this is a part."""
    files: Mapping[str, Path]
    failures: dict[str, str]
    decoder: str
    status: Status = "ok"
    reason: str = ""


def uses_vocoder(tokenizer: Tokenizer, decoder: Decoder = "auto") -> bool:
    """Whether the vocoder decodes this tokenizer's codes.

    Args:
        tokenizer: A topline, which is the recording itself, is never decoded by a vocoder.
        decoder: "auto" is the tokenizer's own decoder, and the vocoder for those without one; "own" refuses
            these; "vocoder" decodes all codes alike.

    Raises: UserError for another word, or for "own" where there is none.
    """
    spec = tokenizer.spec
    if decoder not in get_args(Decoder):
        raise unknown("decoder", decoder, get_args(Decoder))
    if decoder == "own" and not spec.can_decode:
        raise UserError(
            f"{tokenizer.name} has no decoder of its own; legal for it: decoder=auto, decoder=vocoder"
        )
    return not spec.can_decode or (decoder == "vocoder" and spec.kind != "topline")


def decoding_splits(tokenizer: Tokenizer, decoder: Decoder = "auto") -> tuple[str, ...]:
    """Splits that decoded speech depends on: a codec that is complete in itself needs no training speech."""
    if uses_vocoder(tokenizer, decoder):
        return ("train", "dev", "test")
    return ("train", "test") if has_codebook(tokenizer) else ("test",)


def trained_vocoder(tokenizer: Tokenizer, corpus: Corpus, config: VocoderConfig, setting: Setting) -> Path:
    """Folder of the vocoder for this tokenizer's codes, trained first if no run has yet.

    `config` is already within the trainer's cap, see `VocoderConfig.limited`.
    """
    source = tokenizer.vocoder_source
    train, dev = (corpus.manifest(split, setting.store) for split in ("train", "dev"))
    fit_codebook(source, corpus, setting.store, setting.seed)
    key = {
        "version": VOCODER_VERSION,
        "tokenizer": source.identity(),
        "train": train.digest,
        "dev": dev.digest,
        "config": describe(config),
        "prompt": prompt_identity(config.prompt),
        "precision": setting.trainer.precision,
        "seed": setting.seed,
    }

    def build(folder: Path) -> None:
        log.info("training vocoder %s on the codes of %s", config.name, source.name)
        tokens, dev_tokens = (
            encode_manifest(source, manifest, setting.store, setting.progress) for manifest in (train, dev)
        )
        train_vocoder(
            source.spec,
            source.codebook_vectors(),
            tokens,
            train,
            dev_tokens,
            dev,
            config,
            setting.trainer,
            setting.seed,
            folder,
            setting.store,
        )

    return trained_artifact(setting.store, "vocoders", key, build)


def resynthesise(
    tokenizer: Tokenizer,
    corpus: Corpus,
    manifest: Manifest,
    prompts: dict[str, Utterance],
    config: VocoderConfig,
    setting: Setting,
    decoder: Decoder = "auto",
    part: Part | None = None,
) -> Resynthesis:
    """Speech from the codes of `manifest`, made once and kept in the store.

    Args:
        tokenizer: Its codebook is fitted on the corpus's training split when it needs one.
        corpus: Where codebook and vocoder are trained.
        manifest: What to decode.
        prompts: Recording that gives each utterance its voice, for the vocoder and for decoders that
            take side information; an utterance without one fails.
        config: The vocoder, where one is used.
        setting: Store, device, seed.
        decoder: Who decodes, see `uses_vocoder`.
        part: Of the utterances, to decode no others; None for all of them.
    """
    config = config.limited(setting.trainer.max_steps)
    by_vocoder = uses_vocoder(tokenizer, decoder)
    fit_codebook(tokenizer, corpus, setting.store, setting.seed)
    tokens = encode_manifest(tokenizer, manifest, setting.store, setting.progress)
    key = {"version": RESYNTHESIS_VERSION, "tokenizer": tokenizer.identity(), "manifest": manifest.digest}
    status: Status = "ok"
    reason, vocoder_folder = "", None
    if by_vocoder or tokenizer.spec.decode_needs_prompt:
        key["prompts"] = {name: [p.utterance_id, p.fingerprint] for name, p in prompts.items()}
    label = "own"
    if by_vocoder:
        vocoder_folder = trained_vocoder(tokenizer, corpus, config, setting)
        label = config.label
        key["vocoder"] = vocoder_folder.name
        report = read_report(vocoder_folder)
        status, reason = report["status"], report["reason"]
    elif own := tokenizer.decoder_identity():
        key["decoder"] = own

    @cache
    def vocoder() -> Vocoder:
        source, folder = tokenizer.vocoder_source, vocoder_folder
        assert folder is not None
        return Vocoder.load(folder, source.spec, source.codebook_vectors(), config, setting.device)

    def build(rows: slice, folder: Path) -> None:
        log.info("decoding %d utterances of %s by %s", rows.stop - rows.start, tokenizer.name, label)
        own = manifest.take(range(rows.start, rows.stop))
        if by_vocoder:
            decoded = _vocode(vocoder(), tokens, own, prompts)
        else:
            decoded = _decode(tokenizer, tokens, own, prompts)
        _write(decoded, own, rows.start, folder, label)

    recipe = Recipe("resynthesis", key, len(manifest), build, join=_join, at_once=AT_ONCE)
    final = setting.store.path(recipe.kind, key)
    if part is not None:
        make_shards(recipe, setting.store, part)
    if part is None or setting.store.has(recipe.kind, key):
        folders = [make(recipe, setting.store)]
    else:
        folders = [made for n in recipe.numbers(part) if (made := shard(recipe, setting.store, n))]
    files, failures = _Files(final), dict[str, str]()
    for folder in folders:
        for name, file, failure in pd.read_parquet(folder / INDEX).itertuples(index=False):
            if isinstance(file, str):
                files[name] = folder / file
            else:
                failures[name] = failure
    return Resynthesis(final, files, failures, label, status, reason)


class _Files(dict[str, Path]):
    """Files of shards, or of the whole where another process has joined them meanwhile."""

    def __init__(self, whole: Path) -> None:
        super().__init__()
        self._whole = whole

    def __getitem__(self, name: str) -> Path:
        path = super().__getitem__(name)
        joined = self._whole / path.name
        return joined if joined.exists() else path


def _write(decoded: Decoded, utterances: Manifest, first: int, folder: Path, label: str) -> None:
    """A FLAC for each utterance, called by its number in the manifest, then the list of them."""
    wavs, failures = decoded
    rows = []
    for number, utterance in enumerate(utterances, start=first):
        name, file = utterance.utterance_id, f"{number:05d}.flac"
        if name in wavs and not np.isfinite(wavs[name]).all():
            # As 16-bit samples NaN would become a click or silence, and be scored as if decoded.
            del wavs[name]
            failures[name] = f"{label} decoded NaN or infinite samples"
        if name in wavs:
            write_audio(folder / file, wavs[name])
        rows.append((name, file if name in wavs else None, failures.get(name)))
    pd.DataFrame(rows, columns=["utterance_id", "file", "failure"]).to_parquet(folder / INDEX, index=False)


def _join(shards: list[Path], folder: Path) -> None:
    """The files of all shards, and one list of them."""
    for path in (file for made in shards for file in made.glob("*.flac")):
        (folder / path.name).hardlink_to(path)
    indices = [pd.read_parquet(made / INDEX) for made in shards]
    pd.concat(indices, ignore_index=True).to_parquet(folder / INDEX, index=False)


def _num_samples(utterance: Utterance) -> int:
    """Length at 16 kHz; the decoded file is trimmed to it."""
    return round(utterance.duration * SAMPLE_RATE)


def _decode(
    tokenizer: Tokenizer, tokens: TokenStore, manifest: Manifest, prompts: dict[str, Utterance]
) -> Decoded:
    """By the tokenizer's own decoder, in batches of equal length: no decoder is asked to see padding."""
    with_prompt = tokenizer.spec.decode_needs_prompt
    voices, failures = (
        _prompt_audio(tokens, manifest, prompts) if with_prompt else ({}, dict(tokens.failures))
    )
    names = [u.utterance_id for u in manifest if u.utterance_id not in failures]
    wavs: dict[str, np.ndarray] = {}
    for batch in equal_length_batches([tokens.frames(name) for name in names], BATCH):
        group = [names[index] for index in batch]
        codes = torch.from_numpy(np.stack([tokens[name] for name in group]))
        samples = torch.tensor([_num_samples(manifest[name]) for name in group])
        side_info = None
        if with_prompt:
            side_info = [tokenizer.extract_side_info(torch.from_numpy(voices[name])) for name in group]
        out = tokenizer.decode(codes, torch.full((len(group),), codes.shape[-1]), samples, side_info)
        wavs |= {name: wav[:n].numpy() for name, wav, n in zip(group, out, samples, strict=True)}
    return wavs, failures


def _vocode(
    vocoder: Vocoder, tokens: TokenStore, manifest: Manifest, prompts: dict[str, Utterance]
) -> Decoded:
    """By the vocoder, each utterance with the voice of its prompt."""
    audio, failures = _prompt_audio(tokens, manifest, prompts)
    names = list(audio)
    wavs = vocoder.synthesize(
        [tokens[name] for name in names],
        [audio[name] for name in names],
        [_num_samples(manifest[name]) for name in names],
        BATCH,
    )
    return dict(zip(names, wavs, strict=True)), failures


def _prompt_audio(
    tokens: TokenStore, manifest: Manifest, prompts: dict[str, Utterance]
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The prompt's samples for each utterance that has tokens, and why the others have none."""
    failures = dict(tokens.failures)
    audio: dict[str, np.ndarray] = {}
    for utterance in manifest:
        name = utterance.utterance_id
        if name in failures:
            continue
        if name not in prompts:
            failures[name] = f"there is no recording to prompt {utterance.speaker_id} with"
            continue
        try:
            audio[name] = read_audio(prompts[name].audio_path)
        except AudioError as error:
            failures[name] = f"prompt: {error}"
    return audio, failures
