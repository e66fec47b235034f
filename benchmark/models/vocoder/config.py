"""Config of a vocoder as plain data: network sizes and training recipe.

The defaults are the published ones of CTX-vec2wav (Du et al., "UniCATS", AAAI 2024) in the form that LSCodec
(Guo et al., Interspeech 2025) calls alpha: WavLM prompt, no auxiliary pitch and energy branch. Widths that
are not published for alpha come from vec2wav 2.0 (Guo et al., ICASSP 2025).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING, Literal, get_args

from benchmark.errors import UserError
from benchmark.training.budget import cap_schedule

if TYPE_CHECKING:  # reading sizes must not import torch
    from torch import nn

PromptFeatures = Literal["mel", "wavlm", "whisper"]


class VocoderPart:
    """Base class of all parts of a vocoder's config; a yaml may name subclasses from other packages."""


class GeneratorConfig(VocoderPart, ABC):
    """Base class of generator configs, each of which builds its own network."""

    @abstractmethod
    def build(self, dim: int, style: int, hop_length: int) -> "nn.Module":
        """Build the untrained network, which is called like `HiFiGANGenerator`.

        Args:
            dim: Number of channels of the hidden sequence.
            style: Number of features of a prompt frame.
            hop_length: Number of samples per frame.
        """


class DiscriminatorsConfig(VocoderPart, ABC):
    """Base class of discriminator configs, each of which builds its own network."""

    @abstractmethod
    def build(self) -> "nn.Module":
        """Build the untrained network, which is called like `Discriminators`."""


@dataclass(frozen=True, kw_only=True)
class FrontendConfig(VocoderPart):
    """Sizes of the frontend: two Conformer encoders with cross-attention to the prompt."""

    dim: int = 184
    heads: int = 2
    feed_forward: int = 1536
    feed_forward_kernel: int = 3
    conv_kernel: int = 31
    conv_norm: Literal["batch", "layer"] = "batch"
    """Norm of the convolution module: BatchNorm over valid frames, or LayerNorm over channels. A few hundred
    steps train LayerNorm better than the statistics of small batches."""
    blocks: tuple[int, int] = (2, 2)
    dropout: float = 0.2
    table_dim: int = 256
    """Width per codebook of learned vectors, used when the tokenizer has no codebook vectors."""


@dataclass(frozen=True, kw_only=True)
class AuxiliaryConfig(VocoderPart):
    """The branch of CTX-vec2wav that predicts voicing, pitch and energy between the two encoders."""

    kernel: int = 5
    """Kernel of the convolution that maps the three features back into the hidden sequence."""


@dataclass(frozen=True, kw_only=True)
class PromptConfig(VocoderPart):
    """Prompt features and the way they enter the frontend.

    Attributes:
        features: A normalised log-mel, or hidden states of a frozen encoder at 50 frames per second.
        prenet: Four residual convolutions (vec2wav 2.0), or one of width five (CTX-vec2wav).
        checkpoint: Source of the encoder, see `benchmark.storage.checkpoints`; unused for mel features.
        revision: Commit of the hub repository.
        layer: Block of the encoder whose output is used, counted from one. For Whisper, None is the encoder's
            output after its final norm, the only output that CTranslate2 weights give.
        random_weights: Use WavLM-large's architecture with seeded random weights instead of the checkpoint,
            for trials without the checkpoint; `VocoderConfig.label` then says so.
        cache: Keep the features of the training utterances in half precision instead of computing them
            each time a prompt is drawn.
    """

    features: PromptFeatures = "wavlm"
    prenet: Literal["stack", "single"] = "stack"
    checkpoint: str | None = "microsoft/wavlm-large"
    revision: str | None = None
    layer: int | None = 6
    random_weights: bool = False
    cache: bool = False

    def __post_init__(self) -> None:
        if self.features not in get_args(PromptFeatures):
            raise UserError(
                f"prompt.features must be one of {get_args(PromptFeatures)}, not {self.features!r}"
            )
        if self.random_weights and self.features != "wavlm":
            raise UserError(
                f"prompt.random_weights is for prompt.features=wavlm, not {self.features}: leave it out"
            )
        if self.features == "wavlm" and self.layer is None:
            raise UserError("prompt.layer of a WavLM must be a number, such as 6")
        if self.features != "mel" and self.checkpoint is None:
            raise UserError(f"prompt.features={self.features} needs prompt.checkpoint: a folder or a hub id")


@dataclass(frozen=True, kw_only=True)
class UpsamplingConfig(GeneratorConfig):
    """Sizes of a generator made of transposed convolutions and residual blocks."""

    channels: int = 512
    scales_50hz: tuple[int, ...] = (10, 8, 2, 2)
    scales_100hz: tuple[int, ...] = (8, 5, 2, 2)
    resblock_kernels: tuple[int, ...] = (3, 7, 11)
    dilations: tuple[int, ...] = (1, 3, 5)

    def scales(self, hop_length: int) -> tuple[int, ...]:
        """Return the upsampling factors from one frame to `hop_length` samples.

        Raises: ValueError when the product of neither of the two choices is `hop_length`.
        """
        choices = (self.scales_50hz, self.scales_100hz)
        for choice in choices:
            if prod(choice) == hop_length:
                return tuple(choice)
        raise ValueError(f"upsampling scales {choices} do not multiply to {hop_length}")


@dataclass(frozen=True, kw_only=True)
class HiFiGANConfig(UpsamplingConfig):
    """Sizes of the HiFi-GAN V1 generator (Kong et al., 2020)."""

    def build(self, dim: int, style: int, hop_length: int) -> "nn.Module":  # noqa: ARG002
        """See `GeneratorConfig.build`."""
        from benchmark.models.vocoder.generator import HiFiGANGenerator

        return HiFiGANGenerator(self, dim, hop_length)


@dataclass(frozen=True, kw_only=True)
class BigVGANConfig(UpsamplingConfig):
    """Sizes of vec2wav 2.0's generator: BigVGAN (Lee et al., 2023) with prompt-driven Snake."""

    def build(self, dim: int, style: int, hop_length: int) -> "nn.Module":
        """See `GeneratorConfig.build`."""
        from benchmark.models.vocoder.bigvgan import BigVGANGenerator

        return BigVGANGenerator(self, dim, style, hop_length)


@dataclass(frozen=True, kw_only=True)
class ISTFTConfig(GeneratorConfig):
    """Sizes of the generator for small machines: ConvNeXt and inverse STFT (Vocos, Siuzdak, 2023)."""

    dim: int = 256
    hidden: int = 768
    blocks: int = 6
    kernel: int = 7
    n_fft: int = 1024
    hop_length: int = 160
    """Hop of the STFT in samples. It divides the model's hop, so that a model frame holds several STFT
    frames. If the model's hop is shorter, as for tokens above 50 Hz, the model's hop is used."""

    def build(self, dim: int, style: int, hop_length: int) -> "nn.Module":  # noqa: ARG002
        """See `GeneratorConfig.build`."""
        from benchmark.models.vocoder.istft import ISTFTGenerator

        return ISTFTGenerator(self, dim, hop_length)


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig(DiscriminatorsConfig):
    """Sizes of HiFi-GAN's multi-period and multi-scale discriminators."""

    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    period_channels: tuple[int, ...] = (32, 128, 512, 1024, 1024)
    scales: int = 3
    scale_channels: int = 128
    scale_max_channels: int = 1024

    def build(self) -> "nn.Module":
        """See `DiscriminatorsConfig.build`."""
        from benchmark.models.vocoder.discriminators import Discriminators

        return Discriminators(self)


@dataclass(frozen=True, kw_only=True)
class MelResolution(VocoderPart):
    """Settings of one log-mel analysis in the waveform loss."""

    n_fft: int = 1024
    hop_length: int = 200
    win_length: int = 800
    n_mels: int = 80
    floor: float = 1e-10


@dataclass(frozen=True, kw_only=True)
class LossConfig(VocoderPart):
    """Weights of the generator's losses."""

    adversarial: float = 1.0
    feature_matching: float = 2.0
    mel: float = 45.0
    """Weight of the L1 distance between natural log-mels of the waveforms, averaged over `resolutions`."""
    resolutions: tuple[MelResolution, ...] = (MelResolution(),)
    auxiliary: float = 5.0
    """Weight of the L1 distance of voicing, pitch and energy; used only if the frontend predicts them."""
    frontend_mel: float = 60.0
    frontend_mel_until: float = 0.2
    """Share of the budget after which the frontend's own mel prediction is no longer trained."""


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig(VocoderPart):
    """Settings of Adam for generator and discriminators, with a learning rate scheduled by step."""

    lr: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.9)
    warmup_steps: int = 0
    decay: Literal["halving", "cosine"] = "halving"
    milestones: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8)
    """Shares of the budget at which "halving" halves the learning rate."""
    gradient_clip: float | None = None


@dataclass(frozen=True, kw_only=True)
class VocoderConfig(VocoderPart):
    """A vocoder and its training recipe.

    Attributes:
        steps: Generator steps, a whole number of epochs of `steps_per_epoch`.
        adversarial_start: Share of the budget before the discriminators begin.
        segment_seconds: Length of the crop that the generator is trained on.
        min_seconds: Shorter training utterances are skipped; must leave a segment beside the prompt.
        max_seconds: Longer training utterances are cut to a random stretch of this length.
        dev_utterances: Maximum number of utterances in validation.
        batch_size: Maximum number of utterances per step, over all devices.
        batch_seconds: Maximum seconds per step, padding counted; None leaves only `batch_size`.
        max_steps: Cap that `with_max_steps` has put on the published budget; None for no cap.
    """

    name: str
    frontend: FrontendConfig = field(default_factory=FrontendConfig)
    auxiliary: AuxiliaryConfig | None = None
    prompt: PromptConfig = field(default_factory=PromptConfig)
    generator: GeneratorConfig = field(default_factory=HiFiGANConfig)
    discriminators: DiscriminatorsConfig | None = field(default_factory=DiscriminatorConfig)
    losses: LossConfig = field(default_factory=LossConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    steps: int = 1_000_000
    steps_per_epoch: int = 5000
    adversarial_start: float = 0.0
    batch_size: int = 16
    batch_seconds: float | None = 240.0
    segment_seconds: float = 1.0
    min_seconds: float = 6.0
    max_seconds: float = 30.0
    dev_utterances: int = 64
    max_steps: int | None = None

    def __post_init__(self) -> None:
        if self.steps % self.steps_per_epoch:
            raise ValueError(f"steps {self.steps} is no multiple of steps_per_epoch {self.steps_per_epoch}")
        if not 2 * self.segment_seconds <= self.min_seconds <= self.max_seconds:
            raise ValueError(
                f"need 2 * segment_seconds <= min_seconds <= max_seconds, not "
                f"{self.segment_seconds}, {self.min_seconds}, {self.max_seconds}"
            )

    @property
    def label(self) -> str:
        """Name of this decoder in result rows, with marks for deviations from the full recipe."""
        marks = ["random prompt encoder"] if self.prompt.random_weights else []
        marks += [f"{self.steps} steps"] if self.max_steps is not None else []
        return ", ".join([self.name, *marks])

    def with_max_steps(self, max_steps: int | None) -> "VocoderConfig":
        """Return this recipe capped at `max_steps` steps; without a cap, return the recipe itself.

        The shares of the schedule refer to the shorter budget, and `label` names that budget.
        """
        steps_per_epoch, epochs = cap_schedule(self.steps_per_epoch, self.epochs, max_steps)
        if steps_per_epoch * epochs == self.steps:
            return self
        steps = steps_per_epoch * epochs
        return replace(self, steps=steps, steps_per_epoch=steps_per_epoch, max_steps=max_steps)

    @property
    def epochs(self) -> int:
        """Number of epochs of the budget."""
        return self.steps // self.steps_per_epoch
