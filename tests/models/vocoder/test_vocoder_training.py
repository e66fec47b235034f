"""Training: it learns, counts its own steps, survives a kill, and reports failure."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from safetensors.torch import load_file
from torch.utils.data import DataLoader

from benchmark.data.manifest import Manifest
from benchmark.errors import UserError
from benchmark.models.vocoder.config import (
    AuxiliaryConfig,
    BigVGANConfig,
    DiscriminatorConfig,
    HiFiGANConfig,
    OptimizerConfig,
    PromptConfig,
    VocoderConfig,
)
from benchmark.models.vocoder.data import Batch, VocoderItems, collate
from benchmark.models.vocoder.frame_rates import FrameRates
from benchmark.models.vocoder.losses import MelLoss
from benchmark.models.vocoder.model import CTXVec2Wav
from benchmark.models.vocoder.module import VocoderModule, constant_distance, constant_loss, crop
from benchmark.models.vocoder.schedule import learning_rate
from benchmark.models.vocoder.train import train_vocoder, verdict
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.identity import describe
from benchmark.training.callbacks import read_history
from benchmark.training.report import read_report
from benchmark.training.trainer import TrainerConfig

MakeConfig = Callable[..., VocoderConfig]
CPU = TrainerConfig(accelerator="cpu", progress_bar=False)


def train(
    corpus,
    config: VocoderConfig,
    folder: Path,
    manifest: Manifest | None = None,
    trainer: TrainerConfig = CPU,
) -> None:
    folder.mkdir(exist_ok=True)
    utterances = manifest or corpus.manifest
    train_vocoder(
        corpus.spec,
        corpus.vectors,
        corpus.tokens,
        utterances,
        corpus.tokens,
        utterances,
        config,
        trainer,
        0,
        folder,
        ArtifactStore(folder.parent / "store"),
    )


def make_module(corpus, config: VocoderConfig) -> tuple[VocoderModule, Batch]:
    torch.manual_seed(0)
    model = CTXVec2Wav(config, FrameRates(50), corpus.spec.codebook_sizes, corpus.vectors)
    items = VocoderItems(corpus.tokens, corpus.manifest, FrameRates(50), config)
    return VocoderModule(model, config), collate([items[0, 0], items[1, 0]])


def test_overfits_one_utterance(corpus, make_config: MakeConfig, tmp_path: Path) -> None:
    config = make_config(steps=60, steps_per_epoch=10, optimizer=OptimizerConfig(lr=1e-2, betas=(0.8, 0.99)))
    train(corpus, config, tmp_path, Manifest([corpus.manifest["u4"]]))
    curve = [row["train/mel"] for row in read_history(tmp_path)]
    report = read_report(tmp_path)
    assert curve[-1] < 0.6 * curve[0], curve
    assert report["status"] == "ok" and report["val_mel"] < report["floor_mel"] < report["first_val_mel"]
    assert report["steps"] == 60 and report["parameters"] > 10_000
    assert report["skipped"]["train"] == {}


def test_own_steps_are_counted_and_both_networks_learn(
    corpus, make_config: MakeConfig, small_discriminators: DiscriminatorConfig
) -> None:
    config = make_config(discriminators=small_discriminators, adversarial_start=0.5)
    module, batch = make_module(corpus, config)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    trainer = lightning.Trainer(
        accelerator="cpu", max_epochs=4, logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    trainer.fit(module, DataLoader([batch, batch], batch_size=None))
    assert int(module.generator_step) == 8
    assert trainer.global_step == 8 + 4  # Lightning counts the four discriminator steps as well
    changed = {n for n, v in module.state_dict().items() if not torch.equal(v, before[n])}
    assert {n for n, _ in module.model.named_parameters(prefix="model")} <= changed
    assert {n for n, _ in module.discriminators.named_parameters(prefix="discriminators")} <= changed


def test_discriminators_rest_until_their_share_of_the_budget(
    corpus, make_config: MakeConfig, small_discriminators: DiscriminatorConfig, tmp_path: Path
) -> None:
    train(corpus, make_config(discriminators=small_discriminators, adversarial_start=0.5), tmp_path)
    active = ["train/discriminator" in row for row in read_history(tmp_path)]
    assert active == [False, False, True, True]


def test_frontend_mel_loss_ends_with_its_share_and_the_rate_halves(
    corpus, make_config: MakeConfig, tmp_path: Path
) -> None:
    config = make_config(optimizer=OptimizerConfig(lr=1e-3, milestones=(0.25, 0.75)))
    train(corpus, replace(config, losses=replace(config.losses, frontend_mel_until=0.5)), tmp_path)
    rows = read_history(tmp_path)
    assert ["train/frontend_mel" in row for row in rows] == [True, True, False, False]
    assert [row["train/lr"] for row in rows] == pytest.approx([1e-3, 5e-4, 5e-4, 2.5e-4])
    assert [row["train/generator_step"] for row in rows] == [2, 4, 6, 8]


def test_learning_rate_is_a_function_of_the_step() -> None:
    halving = OptimizerConfig(lr=1.0)
    assert [learning_rate(halving, s, 100) for s in (0, 19, 20, 40, 60, 80, 99)] == [
        *(1, 1, 0.5, 0.25, 0.125, 0.0625, 0.0625)
    ]
    cosine = OptimizerConfig(lr=1.0, decay="cosine", warmup_steps=10)
    rates = [learning_rate(cosine, s, 100) for s in (0, 9, 50, 99)]
    assert rates == pytest.approx([0.1, 0.98, 0.5, 0.0002], abs=2e-3)


def test_every_epoch_draws_its_own_batches(
    corpus, make_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[int, list[list[int]]] = {}
    step = VocoderModule.training_step

    def recorded(module: VocoderModule, batch: Batch) -> None:
        seen.setdefault(module.current_epoch, []).append([*batch.segments.tolist(), *batch.lengths.tolist()])
        step(module, batch)

    monkeypatch.setattr(VocoderModule, "training_step", recorded)
    train(corpus, make_config(steps=4), tmp_path)
    assert len(seen[0]) == len(seen[1]) == 2 and seen[0] != seen[1]


class Killed(Exception):
    """Raised in place of the end of the process."""


@pytest.mark.parametrize("published", [False, True])
def test_a_killed_training_resumes_to_the_same_weights(
    corpus,
    published: bool,
    make_config: MakeConfig,
    small_discriminators: DiscriminatorConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = make_config(discriminators=small_discriminators, adversarial_start=0.25)
    config = replace(
        config,
        losses=replace(config.losses, frontend_mel_until=0.25),
        frontend=replace(config.frontend, conv_norm="batch" if published else "layer"),
        auxiliary=AuxiliaryConfig() if published else None,
    )
    train(corpus, config, tmp_path / "undisturbed")
    step = VocoderModule.training_step

    def killed_in_the_third_epoch(module: VocoderModule, batch: Batch) -> None:
        if int(module.generator_step) == 5:
            raise Killed
        step(module, batch)

    monkeypatch.setattr(VocoderModule, "training_step", killed_in_the_third_epoch)
    with pytest.raises(Killed):
        train(corpus, config, tmp_path / "killed")
    assert not (tmp_path / "killed" / "model.safetensors").exists()
    monkeypatch.setattr(VocoderModule, "training_step", step)
    train(corpus, config, tmp_path / "killed")
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("undisturbed", "killed"))
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    assert read_history(tmp_path / "undisturbed") == read_history(tmp_path / "killed")
    assert sorted(p.name for p in (tmp_path / "killed").iterdir()) == [
        *("history.csv", "machines.json", "model.safetensors", "report.json")
    ]


def test_a_diverging_training_is_not_converged(corpus, make_config: MakeConfig, tmp_path: Path) -> None:
    train(corpus, make_config(optimizer=OptimizerConfig(lr=1e4)), tmp_path)
    report = read_report(tmp_path)
    assert report["status"] == "NC" and report["reason"]
    assert (tmp_path / "model.safetensors").exists()


def test_verdict_names_the_reason() -> None:
    good = [{"val/mel": 2.0, "train/mel": 1.0}, {"val/mel": 1.0, "train/mel": 0.5}]

    def told(history, floor, train_floor=0.9, bits=6.0) -> tuple[str, str, str]:
        found = verdict(history, floor, train_floor, {"bits": bits, "nominal_bits": 8.0})
        assert found["val_mel"] == 1.0
        return found["status"], found["diagnosis"], found["reason"]

    assert told(good, 1.5) == ("ok", "", "")
    stuck = told(good, 0.9, train_floor=0.4)
    assert stuck[:2] == ("NC", "did not learn") and "no better than a constant spectrum (0.900)" in stuck[2]
    assert told(good, 0.9)[:2] == ("NC", "undertrained")
    overfitted = told([*good, {"val/mel": 1.1, "train/mel": 0.5}], 0.9)
    assert overfitted[:2] == ("ok", "overfitted") and "training loss fell to 0.5, 0.9 for" in overfitted[2]
    assert told(good, 0.9, bits=1.0)[:2] == ("NC", "codebook collapse")
    broken = told([*good, {"val/mel": 1.1, "train/mel": float("nan")}], 1.5)
    assert broken == ("NC", "diverged", "diverged (train/mel is nan in epoch 2)")


def test_the_floor_of_the_training_loss_is_that_of_a_constant_spectrum(make_config: MakeConfig) -> None:
    loss = MelLoss(make_config().losses.resolutions)
    noise = [torch.randn(8000, generator=torch.Generator().manual_seed(n)) for n in range(2)]
    assert constant_loss(loss, [torch.zeros(8000)]) == pytest.approx(0.0, abs=1e-6)
    assert 0.1 < constant_loss(loss, noise) < 2.0


def test_a_gradient_that_is_not_finite_leaves_the_weights_and_ends_the_run(
    corpus, make_config: MakeConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config()
    monkeypatch.setattr(
        "benchmark.models.vocoder.losses.MelLoss.forward", lambda _, fake, real: fake.mean() * torch.nan
    )
    module, batch = make_module(corpus, config)
    before = [p.clone() for p in module.model.parameters()]
    trainer = lightning.Trainer(
        accelerator="cpu", max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False
    )
    trainer.fit(module, DataLoader([batch], batch_size=None))
    assert all(torch.equal(a, b) for a, b in zip(before, module.model.parameters(), strict=True))
    train(corpus, config, tmp_path)
    assert len(read_history(tmp_path)) == 1
    assert read_report(tmp_path)["reason"].startswith("diverged (train/mel is nan in epoch 0)")


def test_wavlm_stays_out_of_weights_and_parameters(
    corpus, make_config: MakeConfig, wavlm_folder: Path, tmp_path: Path
) -> None:
    prompt = PromptConfig(features="wavlm", checkpoint=str(wavlm_folder), layer=2, prenet="single")
    train(corpus, make_config(prompt=prompt, steps=2), tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    assert not any("wavlm" in name for name in weights)
    assert weights["prenet.conv.weight"].shape == (16, 32, 5)


def test_kept_prompt_features_train_the_same_network(
    corpus, make_config: MakeConfig, wavlm_folder: Path, tmp_path: Path
) -> None:
    prompt = PromptConfig(
        features="wavlm", checkpoint=str(wavlm_folder), layer=2, prenet="single", cache=True
    )
    train(corpus, make_config(prompt=prompt, steps=2), tmp_path / "kept")
    train(corpus, make_config(prompt=replace(prompt, cache=False), steps=2), tmp_path / "fly")
    (kept,) = (tmp_path / "store" / "prompts").glob("*/*.bin")
    frames = sum((round(u.duration * 16_000) - 400) // 320 + 1 for u in corpus.manifest)
    assert abs(kept.stat().st_size / (32 * 2) - frames) < 2 * len(corpus.manifest)
    one, other = (read_history(tmp_path / name)[0] for name in ("kept", "fly"))
    assert one["train/mel"] == pytest.approx(other["train/mel"], rel=0.1) and one != other
    with pytest.raises(ValueError, match="needs a store"):
        train_vocoder(
            corpus.spec,
            corpus.vectors,
            corpus.tokens,
            corpus.manifest,
            corpus.tokens,
            corpus.manifest,
            make_config(prompt=prompt),
            CPU,
            0,
            tmp_path,
        )


def test_voicing_pitch_and_energy_are_learned_where_they_are_asked_for(
    corpus, make_config: MakeConfig, tmp_path: Path
) -> None:
    config = make_config(auxiliary=AuxiliaryConfig(), steps=40, steps_per_epoch=10)
    train(corpus, replace(config, optimizer=OptimizerConfig(lr=5e-3)), tmp_path / "run")
    curve = [row["train/auxiliary"] for row in read_history(tmp_path / "run")]
    assert curve[-1] < 0.9 * curve[0]
    weights = load_file(tmp_path / "run" / "model.safetensors")
    mean, std = (weights[f"frontend.auxiliary.{name}"] for name in ("mean", "std"))
    assert 4.5 < mean[1] < 6 and (std > 0).all()  # log of 110 to 235 Hz


@pytest.mark.timeout(900)  # seconds of tracing, which a machine that is shared stretches
def test_captured_networks_learn_the_same(
    corpus,
    make_config: MakeConfig,
    small_discriminators: DiscriminatorConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    captured: set[str] = set()
    compiled = torch.nn.Module.compile

    def without_code(network: torch.nn.Module, **options: Any) -> None:
        captured.add(type(network).__name__)
        compiled(network, backend="eager", **options)  # the graphs alone: their code would take minutes

    monkeypatch.setattr(torch.nn.Module, "compile", without_code)
    config = make_config(discriminators=small_discriminators, steps=2)
    config = replace(config, frontend=replace(config.frontend, dropout=0.0))
    train(corpus, config, tmp_path / "plain")
    train(corpus, config, tmp_path / "compiled", trainer=replace(CPU, compile=True))
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("plain", "compiled"))
    assert one.keys() == other.keys()
    assert captured == {"SinglePrenet", "Frontend", "ISTFTGenerator", "Discriminators"}
    for row, expected in zip(
        read_history(tmp_path / "compiled"), read_history(tmp_path / "plain"), strict=True
    ):
        assert row == pytest.approx(expected, rel=1e-3)


def test_no_usable_utterance_is_a_user_error(corpus, make_config: MakeConfig, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no train utterance.*under 1.4 s"):
        train(corpus, make_config(min_seconds=1.4), tmp_path, Manifest([corpus.manifest["u0"]]))


@pytest.mark.parametrize(
    ("cap", "budget"), [(None, (8, 2)), (8, (8, 2)), (7, (4, 1)), (5, (3, 1)), (4, (4, 2)), (1, (1, 1))]
)
def test_a_limited_recipe_is_another_and_says_so(
    make_config: MakeConfig, cap: int | None, budget: tuple[int, int]
) -> None:
    config = make_config()
    limited = config.with_max_steps(cap)
    assert (limited.steps, limited.steps_per_epoch) == budget
    assert limited.with_max_steps(cap) is limited
    same = budget == (8, 2)
    assert (limited is config) is same and (describe(limited) == describe(config)) is same
    assert limited.label == ("micro" if same else f"micro, {budget[0]} steps")


def test_shares_of_the_schedule_refer_to_the_limit(corpus, make_config: MakeConfig, tmp_path: Path) -> None:
    config = make_config(steps=800, steps_per_epoch=2, optimizer=OptimizerConfig(lr=1e-3, milestones=(0.5,)))
    train(corpus, config.with_max_steps(4), tmp_path)
    assert [row["train/lr"] for row in read_history(tmp_path)] == pytest.approx([1e-3, 5e-4])
    report = read_report(tmp_path)
    assert report["steps"] == report["max_steps"] == 4


@pytest.mark.parametrize("discriminators", [False, True])
def test_bfloat16_learns_and_keeps_what_needs_float32(
    corpus,
    make_config: MakeConfig,
    small_hifigan: HiFiGANConfig,
    small_discriminators: DiscriminatorConfig,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    discriminators: bool,
) -> None:
    config = make_config(
        generator=small_hifigan, discriminators=small_discriminators if discriminators else None, steps=4
    )
    config = replace(config, frontend=replace(config.frontend, conv_norm="batch"))
    losses: dict[str, torch.dtype] = {}
    update = VocoderModule._update

    def recorded(module: VocoderModule, optimizer: Any, loss: torch.Tensor, network: Any) -> torch.Tensor:
        losses[type(network).__name__] = loss.dtype
        return update(module, optimizer, loss, network)

    monkeypatch.setattr(VocoderModule, "_update", recorded)
    full, half = tmp_path / "full", tmp_path / "half"
    train(corpus, config, full)
    train(corpus, config, half, trainer=replace(CPU, precision="bf16-mixed"))
    assert set(losses.values()) == {torch.float32} and len(losses) == 1 + discriminators
    weights = load_file(half / "model.safetensors")
    assert {tensor.dtype for tensor in weights.values() if tensor.is_floating_point()} == {torch.float32}
    for row, expected in zip(read_history(half), read_history(full), strict=True):
        assert row["train/mel"] == pytest.approx(expected["train/mel"], rel=0.03)


@pytest.mark.parametrize("kind", ["hifigan", "bigvgan"])
def test_samples_keep_their_digits_in_bfloat16(small_hifigan: HiFiGANConfig, kind: str) -> None:
    config = small_hifigan
    if kind == "bigvgan":
        config = BigVGANConfig(channels=32, resblock_kernels=(3,), dilations=(1,))
    torch.manual_seed(0)
    generator = config.build(8, 4, 320)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        wav = generator(torch.randn(2, 8, 10), style=torch.randn(2, 4))
    assert wav.dtype == torch.float32 and len(wav.unique()) > 1000  # bfloat16 has 256 an octave


def test_bad_budgets_are_refused(make_config: MakeConfig) -> None:
    with pytest.raises(ValueError, match="multiple"):
        make_config(steps=5, steps_per_epoch=2)
    with pytest.raises(ValueError, match="min_seconds"):
        make_config(segment_seconds=0.5)


def test_crop_and_floor() -> None:
    sequence = torch.arange(20).view(2, 10, 1)
    assert crop(sequence, torch.tensor([0, 7]), 3).squeeze(-1).tolist() == [[0, 1, 2], [17, 18, 19]]
    assert constant_distance([torch.tensor([[0.0, 2.0], [5.0, 5.0]]), torch.tensor([[4.0], [5.0]])]) == (
        pytest.approx((2 + 0 + 2) / 6)
    )
