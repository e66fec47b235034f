"""Training of a vocoder on the codes of one tokenizer."""

import math
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch.utils.data import DataLoader

from benchmark.data.batching import sorted_batches
from benchmark.data.manifest import Manifest
from benchmark.errors import UserError
from benchmark.models.vocoder.config import VocoderConfig
from benchmark.models.vocoder.data import NONE_KEPT, VocoderItems, collate
from benchmark.models.vocoder.dev_monitor import Listening
from benchmark.models.vocoder.features import kept_features
from benchmark.models.vocoder.frame_rates import FrameRates
from benchmark.models.vocoder.model import WEIGHTS, CTXVec2Wav
from benchmark.models.vocoder.module import VocoderModule, constant_distance, constant_loss
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.token_store import TokenStore
from benchmark.training.bucket_sampler import BucketBatches, Draw
from benchmark.training.callbacks import read_history
from benchmark.training.config import TrainerConfig
from benchmark.training.convergence import Evidence, codebook_use, judge
from benchmark.training.report import save_report
from benchmark.training.trainer import fit
from benchmark.types import TokenizerSpec

MONITOR, LOSS = "val/mel", "train/mel"
STATISTICS_UTTERANCES = 300
"""Training utterances from which the mean and variance of the prompt features are estimated."""
FLOOR_UTTERANCES = 30
"""Training utterances on which a constant spectrum is scored."""


def train_vocoder(
    spec: TokenizerSpec,
    codebook_vectors: torch.Tensor | None,
    tokens: TokenStore,
    manifest: Manifest,
    dev_tokens: TokenStore,
    dev_manifest: Manifest,
    config: VocoderConfig,
    trainer: TrainerConfig,
    seed: int,
    folder: Path,
    store: ArtifactStore | None = None,
) -> None:
    """Train a vocoder and leave `model.safetensors`, `history.csv` and `report.json` in `folder`.

    A killed training is resumed from the files in the folder, and ends with the same weights.

    Args:
        spec: Frame rate and codebook sizes of the codes.
        codebook_vectors: (K, V, D) vectors behind the codes, or None to learn vectors.
        tokens: Codes of the training utterances.
        manifest: Audio of the training utterances.
        dev_tokens: Codes of the utterances that select the best epoch.
        dev_manifest: Audio of these utterances.
        config: Sizes and recipe.
        trainer: Device and precision.
        seed: Fixes initial weights, batches, crops, prompts and dropout.
        folder: Existing folder, empty or left by a killed training.
        store: Store for features of the recordings; required by `prompt.cache` and `auxiliary`.

    Raises:
        UserError: the tokens are too fast for the vocoder, or no utterance is long enough.
    """
    begin = time.monotonic()
    if store is None and (config.prompt.cache or config.auxiliary is not None):
        raise ValueError(f"{config.name} keeps features of the recordings and needs a store for them")
    rates = FrameRates.of(spec)
    torch.manual_seed(seed)
    model = CTXVec2Wav(config, rates, spec.codebook_sizes, codebook_vectors)
    features, dev_features = (
        NONE_KEPT
        if store is None
        else kept_features(config, rates, model.prompt, recordings, store, trainer.torch_device)
        for recordings in (manifest, dev_manifest)
    )
    train = VocoderItems(tokens, manifest, rates, config, features=features)
    dev = VocoderItems(dev_tokens, dev_manifest, rates, config, config.dev_utterances, dev_features)
    for split, items in (("train", train), ("dev", dev)):
        if not len(items):
            raise UserError(
                f"no {split} utterance can train the vocoder {config.name!r}: {dict(items.skipped)}; "
                "use a corpus with longer utterances or lower min_seconds"
            )
    module = VocoderModule(model, config, trainer.compile)
    some = range(0, len(train), math.ceil(len(train) / STATISTICS_UTTERANCES))
    model.mel.fit(torch.from_numpy(train.wav(index)) for index in some)
    if model.frontend.auxiliary is not None:
        model.frontend.auxiliary.fit(train.auxiliary(index) for index in some)
    most = None if config.batch_seconds is None else round(config.batch_seconds * rates.model_rate)
    batches = BucketBatches(train.lengths, config.batch_size, config.steps_per_epoch, seed, most)
    dev_batches = _fixed_batches(dev, config.batch_size, most)
    fit(
        module,
        DataLoader(train, batch_sampler=batches, **_loading(trainer)),
        DataLoader(dev, batch_sampler=dev_batches, **_loading(trainer)),
        folder,
        epochs=config.epochs,
        seed=seed,
        config=trainer,
        monitor=MONITOR,
        observers=[Listening()],
    )
    weights = {name: tensor.contiguous() for name, tensor in module.model.state_dict().items()}
    save_file(weights, folder / WEIGHTS)
    contents = [dev[draw].wav for batch in dev_batches for draw in batch]
    floor = constant_distance([module.distance(wav[None])[0] for wav in contents])
    heard = [torch.from_numpy(train.wav(index)) for index in some[:: -(-len(some) // FLOOR_UTTERANCES)]]
    train_floor = constant_loss(module.mel_loss, heard)
    use = codebook_use(tokens, [u.utterance_id for u in manifest if u.utterance_id in tokens], spec)
    report = verdict(read_history(folder), floor, train_floor, use) | {
        "parameters": sum(parameter.numel() for parameter in module.model.parameters()),
        "steps": int(module.generator_step),
        "max_steps": config.max_steps,
        "skipped": {"train": dict(train.skipped), "dev": dict(dev.skipped)},
        "seconds": round(time.monotonic() - begin, 1),
    }
    save_report(folder, report)


def verdict(
    history: list[dict[str, float]], floor: float, train_floor: float, use: dict[str, Any]
) -> dict[str, Any]:
    """Decide whether a training converged, see `training.convergence`.

    Args:
        history: Scalars of every epoch.
        floor: `val/mel` of a constant spectrum.
        train_floor: `train/mel` of a constant spectrum.
        use: Use of the codebooks in the training set, see `codebook_use`.
    """
    best = min((row[MONITOR] for row in history if math.isfinite(row[MONITOR])), default=math.nan)
    words = f"best {MONITOR} {best:.3f} is no better than a constant spectrum ({floor:.3f})"
    evidence = Evidence(
        history=history,
        loss=LOSS,
        floor=train_floor,
        untrained=history[0][LOSS],
        at_floor="" if best < floor else words,
        improving=history[-1][MONITOR] == best,
        use=use,
    )
    found = judge(evidence)
    scores = {"val_mel": best, "first_val_mel": history[0][MONITOR], "floor_mel": floor}
    scores |= {"lowest_train_mel": evidence.lowest, "floor_train_mel": train_floor}
    return {"status": found.status, "reason": found.reason, "diagnosis": found.cause} | scores


def _fixed_batches(items: VocoderItems, batch_size: int, most: int | None) -> list[list[Draw]]:
    """Batch every item once, its prompt drawn from its index: validation is the same in every epoch."""
    batches = sorted_batches(items.lengths, batch_size, most)
    return [[(index, index) for index in batch] for batch in batches]


def _loading(trainer: TrainerConfig) -> dict[str, Any]:
    workers = trainer.num_workers
    return {"collate_fn": collate, "num_workers": workers, "persistent_workers": workers > 0}
