"""Decoding of codes to speech, by the tokenizer's own decoder or by a vocoder trained on its codes."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmark.data.audio import AudioError, read_audio, write_audio
from benchmark.data.batching import equal_length_batches
from benchmark.data.corpora.base import Corpus
from benchmark.data.manifest import Manifest
from benchmark.models.vocoder.config import VocoderConfig
from benchmark.models.vocoder.synthesize import Vocoder
from benchmark.storage.shards import Part, ShardedBuild, make, make_shards, shard
from benchmark.storage.token_store import TokenStore
from benchmark.tasks.base import RunContext, Status
from benchmark.tasks.decoding.trained_vocoder import Decoder, takes_prompt, trained_vocoder, uses_vocoder
from benchmark.tokenizers.base import Tokenizer
from benchmark.tokenizers.encoding.encode import encode_manifest
from benchmark.training.report import read_report
from benchmark.types import SAMPLE_RATE, Utterance

log = logging.getLogger(__name__)

RESYNTHESIS_VERSION = 1
BATCH = 8
AT_ONCE = 64
"""Utterances per shard: the number held in memory at once, and the most that a killed process loses."""
INDEX = "index.parquet"
Decoded = tuple[dict[str, np.ndarray], dict[str, str]]
"""Samples (samples,) at 16 kHz by utterance id, and the reason by id where there are none."""


@dataclass(frozen=True)
class Resynthesis:
    """Decoded speech of a manifest or of a part: per utterance one FLAC, or the reason for its absence."""

    folder: Path
    """Folder of the whole manifest; may not exist yet if this object holds a part."""
    files: Mapping[str, Path]
    failures: dict[str, str]
    decoder: str
    status: Status = "ok"
    reason: str = ""


def resynthesise(
    tokenizer: Tokenizer,
    corpus: Corpus,
    manifest: Manifest,
    prompts: dict[str, Utterance],
    config: VocoderConfig,
    context: RunContext,
    decoder: Decoder = "auto",
    part: Part | None = None,
) -> Resynthesis:
    """Decode the codes of `manifest` to speech, once, and keep the speech in the store.

    Args:
        tokenizer: The tokenizer, with a fitted codebook if the tokenizer needs one.
        corpus: Corpus that the vocoder is trained on.
        manifest: Utterances to decode.
        prompts: Recording that gives each utterance its voice, by utterance id, for the vocoder and for
            decoders that take side information. An utterance without a prompt then fails.
        config: Config of the vocoder, if one is used.
        context: Store, device, seed and trainer of the run.
        decoder: Choice of the decoder, see `uses_vocoder`.
        part: Part of the utterances to decode; None for all.
    """
    config = config.with_max_steps(context.trainer.max_steps)
    by_vocoder = uses_vocoder(tokenizer, decoder)
    tokens = encode_manifest(tokenizer, manifest, context.store, context.progress)
    key = {"version": RESYNTHESIS_VERSION, "tokenizer": tokenizer.identity(), "manifest": manifest.digest}
    status: Status = "ok"
    reason, vocoder_folder = "", None
    if takes_prompt(tokenizer, decoder):
        key["prompts"] = {name: [p.utterance_id, p.fingerprint] for name, p in prompts.items()}
    label = "own"
    if by_vocoder:
        vocoder_folder = trained_vocoder(tokenizer, corpus, config, context)
        label = config.label
        key["vocoder"] = vocoder_folder.name
        report = read_report(vocoder_folder)
        status, reason = report["status"], report["reason"]
    elif own := tokenizer.decoder_identity():
        key["decoder"] = own

    @cache
    def vocoder() -> Vocoder:
        source, folder = tokenizer.base_tokenizer, vocoder_folder
        assert folder is not None
        return Vocoder.load(folder, source.spec, source.codebook_vectors(), config, context.device)

    def build(rows: slice, folder: Path) -> None:
        log.info("decoding %d utterances of %s by %s", rows.stop - rows.start, tokenizer.name, label)
        own = manifest.take(range(rows.start, rows.stop))
        if by_vocoder:
            decoded = _vocode(vocoder(), tokens, own, prompts)
        else:
            decoded = _decode(tokenizer, tokens, own, prompts)
        _write(decoded, own, rows.start, folder, label)

    recipe = ShardedBuild("resynthesis", key, len(manifest), build, join=_join, at_once=AT_ONCE)
    final = context.store.path(recipe.kind, key)
    if part is not None:
        make_shards(recipe, context.store, part)
    if part is None or context.store.has(recipe.kind, key):
        folders = [make(recipe, context.store)]
    else:
        folders = [made for n in recipe.numbers(part) if (made := shard(recipe, context.store, n))]
    files, failures = _Files(final), dict[str, str]()
    for folder in folders:
        for name, file, failure in pd.read_parquet(folder / INDEX).itertuples(index=False):
            if isinstance(file, str):
                files[name] = folder / file
            else:
                failures[name] = failure
    return Resynthesis(final, files, failures, label, status, reason)


class _Files(dict[str, Path]):
    """Decoded files by utterance id: files of shards, or the joined files once a process has joined them."""

    def __init__(self, whole: Path) -> None:
        super().__init__()
        self._whole = whole

    def __getitem__(self, name: str) -> Path:
        path = super().__getitem__(name)
        joined = self._whole / path.name
        return joined if joined.exists() else path


def _write(decoded: Decoded, utterances: Manifest, first: int, folder: Path, label: str) -> None:
    """Write one FLAC per utterance, named by its number in the manifest, and then the index of the files."""
    wavs, failures = decoded
    rows = []
    for number, utterance in enumerate(utterances, start=first):
        name, file = utterance.utterance_id, f"{number:05d}.flac"
        if name in wavs and not np.isfinite(wavs[name]).all():
            # As 16-bit samples, NaN would become a click or silence and be scored like decoded speech.
            del wavs[name]
            failures[name] = f"{label} decoded NaN or infinite samples"
        if name in wavs:
            write_audio(folder / file, wavs[name])
        rows.append((name, file if name in wavs else None, failures.get(name)))
    pd.DataFrame(rows, columns=["utterance_id", "file", "failure"]).to_parquet(folder / INDEX, index=False)


def _join(shards: list[Path], folder: Path) -> None:
    """Link the files of all shards into one folder, and write one index of them."""
    for path in (file for made in shards for file in made.glob("*.flac")):
        (folder / path.name).hardlink_to(path)
    indices = [pd.read_parquet(made / INDEX) for made in shards]
    pd.concat(indices, ignore_index=True).to_parquet(folder / INDEX, index=False)


def _num_samples(utterance: Utterance) -> int:
    """Return the length of an utterance in samples at 16 kHz, to which decoded speech is trimmed."""
    return round(utterance.duration * SAMPLE_RATE)


def _decode(
    tokenizer: Tokenizer, tokens: TokenStore, manifest: Manifest, prompts: dict[str, Utterance]
) -> Decoded:
    """Decode by the tokenizer's own decoder, in batches of equal length so that no decoder sees padding."""
    with_prompt = tokenizer.spec.decode_needs_prompt
    voices, failures = (
        _prompt_audio(tokens, manifest, prompts, tokenizer.input_rate)
        if with_prompt
        else ({}, dict(tokens.failures))
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
    """Decode by the vocoder, each utterance with the voice of its prompt."""
    audio, failures = _prompt_audio(tokens, manifest, prompts, SAMPLE_RATE)
    names = list(audio)
    wavs = vocoder.synthesize(
        [tokens[name] for name in names],
        [audio[name] for name in names],
        [_num_samples(manifest[name]) for name in names],
        BATCH,
    )
    return dict(zip(names, wavs, strict=True)), failures


def _prompt_audio(
    tokens: TokenStore, manifest: Manifest, prompts: dict[str, Utterance], rate: int
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read the prompt of each utterance that has tokens.

    Returns:
        Samples (samples,) at `rate` by utterance id, and the reason by id for utterances without them.
    """
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
            audio[name] = read_audio(prompts[name].audio_path, rate)
        except AudioError as error:
            failures[name] = f"prompt: {error}"
    return audio, failures
