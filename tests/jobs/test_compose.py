"""Tests that the jobs of a sweep are composed as Hydra composes them."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from benchmark.jobs.compose import compose_jobs, open_hydra

SWEEP = ["tokenizer=mel_rvq,shuffled", "task=asr_probe,reconstruction", "seed=0,1", "limit=7", "device=cuda"]


def content(cfg: DictConfig) -> Any:
    assert "hydra" not in cfg
    return OmegaConf.to_container(cfg)


def test_jobs_that_share_a_composition_are_what_each_would_be_alone() -> None:
    alone = [
        [f"tokenizer={tokenizer}", f"task={task}", f"seed={seed}", "limit=7", "device=cuda"]
        for tokenizer in ("mel_rvq", "shuffled")
        for task in ("asr_probe", "reconstruction")
        for seed in (0, 1)
    ]
    with open_hydra() as hydra:
        configs = compose_jobs(hydra, SWEEP, multirun=True)
        singles = [compose_jobs(hydra, job, multirun=False)[0] for job in alone]
    assert [content(cfg) for cfg in configs] == [content(cfg) for cfg in singles]
    assert [cfg.seed for cfg in configs] == [0, 1] * 4


def test_a_choice_that_reaches_further_is_composed_whole() -> None:
    with open_hydra() as hydra:
        sweep = ["probe=mini,controlled_mini", "task=asr_probe,intent_probe", "tokenizer=mel_rvq,shuffled"]
        configs = compose_jobs(hydra, sweep, multirun=True)  # probe sets asr_probe and intent_probe
        (last,) = compose_jobs(
            hydra, ["probe=controlled_mini", "task=intent_probe", "tokenizer=shuffled"], multirun=False
        )
    assert content(configs[-1]) == content(last)
    assert (last.asr_probe.name, last.task.name) == ("asr_controlled_mini", "intent_probe")


def test_a_profile_sets_more_than_the_defaults_and_the_command_line_more_than_it() -> None:
    with open_hydra() as hydra:
        (cfg,) = compose_jobs(hydra, ["profile=paper"], multirun=False)
        assert (cfg.device, cfg.trainer.accelerator) == ("cuda", "gpu")
        (cfg,) = compose_jobs(hydra, ["profile=paper", "device=cpu"], multirun=False)
        assert cfg.device == "cpu"
