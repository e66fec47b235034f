"""The training loop of vec2wav 2.0, loaded from a checkout of its source, at the size of CTX-vec2wav-alpha.

Its own `Trainer._train_step` runs its own modules, losses and optimizers. Its yaml is changed only where
alpha differs from vec2wav 2.0: the HiFi-GAN of the same source in place of BigVGAN, 16 kHz, and 50 token
frames per second. Dummies replace the libraries that only its data reading and logging need.
"""

import importlib
import importlib.util
import sys
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import torch
import yaml
from scipy import signal

from benchmark.models.vocoder.config import HiFiGANConfig, MelResolution
from benchmark.models.vocoder.data import Batch

PACKAGE = "vec2wav2"
NOT_NEEDED = ("kaldiio", "h5py", "tensorboardX")
SAMPLE_RATE, HOP = 16_000, 320


class WithoutStyle(torch.nn.Module):
    """Alpha's generator, which ignores the mean of the prompt that vec2wav 2.0 passes to its generator."""

    def __init__(self, generator: torch.nn.Module) -> None:
        super().__init__()
        self.generator = generator

    def forward(self, hidden: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        """Map (B, dim, T) to (B, 1, samples)."""
        return self.generator(hidden)


def load(folder: Path) -> Any:
    """Import the module that holds the training loop.

    Raises: SystemExit if the folder is not a checkout of vec2wav 2.0.
    """
    if not (folder / PACKAGE / "bin" / "train.py").is_file():
        raise SystemExit(f"{folder} is no checkout of vec2wav2.0: it has no {PACKAGE}/bin/train.py")
    sys.path.insert(0, str(folder))
    signal.kaiser = signal.windows.kaiser  # moved in scipy 1.13
    for name in NOT_NEEDED:
        if name not in sys.modules and importlib.util.find_spec(name) is None:
            sys.modules[name] = MagicMock()
    return importlib.import_module(f"{PACKAGE}.bin.train")


def configuration(folder: Path, token_width: int, crop_frames: int) -> dict[str, Any]:
    """Return the upstream yaml with alpha's generator and 16 kHz."""
    (path, *_) = sorted((folder / "conf").glob("*.yaml"))
    config: dict[str, Any] = yaml.safe_load(path.read_text())
    ours, mel = HiFiGANConfig(), MelResolution()
    scales = list(ours.scales_50hz)
    config["frontend_params"]["vqvec_channels"] = token_width
    config["generator_params"] = {
        "in_channels": config["frontend_params"]["conformer_params"]["attention_dim"],
        "out_channels": 1,
        "channels": ours.channels,
        "upsample_scales": scales,
        "upsample_kernel_sizes": [2 * scale for scale in scales],
    }
    config["mel_loss_params"] |= {
        "fs": SAMPLE_RATE,
        "fft_size": mel.n_fft,
        "hop_size": mel.hop_length,
        "win_length": mel.win_length,
        "num_mels": mel.n_mels,
        "fmin": 0,
        "fmax": SAMPLE_RATE // 2,
    }
    return config | {"hop_size": HOP, "crop_max_frames": crop_frames, "rank": 0, "distributed": False}


def trainer(
    folder: Path, batch: Batch, codebook: torch.Tensor, mel: torch.Tensor, crop_frames: int, device: str
) -> tuple[Any, tuple[Any, ...]]:
    """Build a trainer whose warm-up steps are over, and the batch in the format of its `_train_step`.

    Args:
        folder: The checkout.
        batch: A batch of this benchmark, with prompt features.
        codebook: (K, V, D).
        mel: (B, T, 80), the target of the frontend, which its data preparation provides.
        crop_frames: Length of the generator's crop.
        device: Where to train.
    """
    module = load(folder)
    models, losses = (
        importlib.import_module(f"{PACKAGE}.models"),
        importlib.import_module(f"{PACKAGE}.losses"),
    )
    config = configuration(folder, codebook.shape[0] * codebook.shape[2], crop_frames)
    frontend = models.CTXVEC2WAVFrontend(
        config["prompt_net_type"], config["num_mels"], **config["frontend_params"]
    )
    generator = WithoutStyle(models.HiFiGANGenerator(**config["generator_params"]))
    networks = {
        "generator": models.VEC2WAV2Generator(frontend, generator).to(device),
        "discriminator": getattr(models, config["discriminator_type"])(**config["discriminator_params"]),
    }
    networks["discriminator"].to(device)
    self = object.__new__(module.Trainer)  # its constructor opens files
    self.steps, self.epochs, self.finish_train = 10, 0, False
    self.config, self.device, self.model = config, torch.device(device), networks
    self.tqdm = SimpleNamespace(update=lambda _: None)
    self.total_train_loss = defaultdict(float)
    load_codebook = importlib.import_module(f"{PACKAGE}.utils").load_feat_codebook
    self.feat_codebook, self.feat_codebook_numgroups = load_codebook(codebook.numpy(), device)
    self.criterion = {
        "gen_adv": losses.GeneratorAdversarialLoss(**config["generator_adv_loss_params"]),
        "dis_adv": losses.DiscriminatorAdversarialLoss(**config["discriminator_adv_loss_params"]),
        "feat_match": losses.FeatureMatchLoss(**config["feat_match_loss_params"]),
        "mel": losses.MelSpectrogramLoss(**config["mel_loss_params"]),
    }
    for criterion in self.criterion.values():
        criterion.to(device)
    config.setdefault("use_subband_stft_loss", False)
    self.optimizer, self.scheduler = {}, {}
    for name, network in networks.items():
        self.optimizer[name] = torch.optim.Adam(network.parameters(), **config[f"{name}_optimizer_params"])
        self.scheduler[name] = torch.optim.lr_scheduler.MultiStepLR(
            self.optimizer[name], **config[f"{name}_scheduler_params"]
        )
        network.train()
    content, prompts = batch.lengths.tolist(), batch.prompt_lengths.tolist()
    return self, (batch.codes.transpose(1, 2), mel, batch.prompt, batch.wav, content, prompts)
