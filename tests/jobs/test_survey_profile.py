"""The survey's protocol: its experiments have every row and step of Table I, and the same steps small."""

import subprocess
from functools import cache
from pathlib import Path

import pytest
from omegaconf import DictConfig

from benchmark.jobs.compose import compose_jobs, open_hydra

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "tests" / "results" / "published" / "survey_table_1.md"
"""Table I with the names of the configs in its last column."""
NO_DECODER_TAKES_A_PROMPT = {
    *("ground_truth", "mel_bigvgan", "encodec_24khz", "dac_24khz", "snac_24khz", "wavtokenizer_small_75"),
    *("stable_codec", "speechtokenizer", "xcodec_hubert", "mimi", "llm_codec", "semanticodec_25hz"),
}
"""Rows without voice conversion."""


@cache
def composed(*overrides: str) -> list[DictConfig]:
    """Compose the jobs of an experiment, once for all tests, since each takes seconds."""
    with open_hydra() as hydra:
        return compose_jobs(hydra, list(overrides), multirun=False)


def names(jobs: list[DictConfig]) -> set[str]:
    return {job.tokenizer.name for job in jobs}


def test_reconstruction_has_every_row_prompted_by_itself() -> None:
    jobs = composed("experiment=survey_reconstruction")
    assert len(jobs) == len(names(jobs)) == 22 == len(TABLE.read_text().splitlines()) - 2
    for job in jobs:
        assert (job.profile_name, job.dataset.name, job.limit) == ("survey", "libritts", None)
        assert job.task.prompt == "original"
        assert job.asr.checkpoint == "nvidia/stt_en_fastconformer_transducer_large"
        assert [*job.metric] == ["wer", "survey_gpe", "versa_pesq", "survey_stoi", "secs", "survey_p_corr"]
        assert (job.vocoder.steps, job.vocoder.batch_seconds) == (1_000_000, 144.0)


def test_conversion_reads_the_published_pairs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UTT2PROMPT", str(tmp_path / "utt2prompt"))
    jobs = composed("experiment=survey_conversion")
    assert names(jobs) == names(composed("experiment=survey_reconstruction")) - NO_DECODER_TAKES_A_PROMPT
    assert {job.task.pairs for job in jobs} == {str(tmp_path / "utt2prompt")}


def test_probes_have_every_row_but_the_recordings() -> None:
    for experiment, dataset, probe in (
        ("survey_asr", "librispeech_960", "asr_survey"),
        ("survey_intent", "slurp", "intent_survey"),
    ):
        jobs = composed(f"experiment={experiment}")
        assert names(jobs) == names(composed("experiment=survey_reconstruction")) - {"ground_truth"}
        assert {(job.dataset.name, job.task.probe.name) for job in jobs} == {(dataset, probe)}


def test_the_small_size_takes_the_same_steps() -> None:
    small = ["profile=survey_mini", "dataset=synthetic", "tokenizer=mel_rvq,opus_6k"]
    for step in ("reconstruction", "conversion", "asr", "intent", "length"):
        large, jobs = composed(f"experiment=survey_{step}"), composed(f"experiment=survey_{step}", *small)
        assert {job.task._target_ for job in jobs} == {job.task._target_ for job in large}
        assert {(job.profile_name, job.dataset.name, job.device) for job in jobs} == {
            ("survey_mini", "synthetic", "cpu")
        }
        assert {(*job.metric,) for job in jobs} == {(*job.metric,) for job in large}
        assert {job.task.get("prompt") for job in jobs} == {job.task.get("prompt") for job in large}


def test_make_passes_the_size_on() -> None:
    def made(*arguments: str) -> str:
        ended = subprocess.run(
            ["make", "-n", "-o", ".venv/.ready", *arguments], cwd=ROOT, capture_output=True, text=True
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    small = made("reproduce-table", "PROFILE=survey", "SIZE=mini")
    assert "survey_conversion" in small and "profile=survey_mini dataset=synthetic" in small
    assert "report results/survey_mini" in small
    large = made("plan", "PROFILE=survey")
    assert "survey_mini" not in large and "survey_length" in large
