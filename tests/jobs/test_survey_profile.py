"""The survey's protocol: its experiments have every row and step of Table I, and the same steps small."""

import subprocess
from functools import cache
from pathlib import Path

import pytest
from omegaconf import DictConfig

from benchmark.errors import UserError
from benchmark.jobs.build import build
from benchmark.jobs.compose import compose_jobs, open_hydra
from benchmark.jobs.doctor import Examination
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.hub_downloads import Hub

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "tests" / "results" / "published" / "survey_table_1.md"
"""Table I with the names of the configs in its last column."""
MINI_PAIRS = ROOT / "conf" / "dataset" / "synthetic_utt2prompt.txt"
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
        assert job.task.prompt == job.task.default_prompt == "original"
        assert job.asr.checkpoint == "nvidia/stt_en_fastconformer_transducer_large"
        assert [*job.metric] == ["wer", "survey_gpe", "versa_pesq", "versa_stoi", "secs", "survey_p_corr"]
        assert (job.vocoder.steps, job.vocoder.batch_seconds) == (1_000_000, 144.0)


def test_conversion_reads_the_published_pairs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UTT2PROMPT", str(tmp_path / "utt2prompt"))
    jobs = composed("experiment=survey_conversion")
    assert names(jobs) == names(composed("experiment=survey_reconstruction")) - NO_DECODER_TAKES_A_PROMPT
    assert {job.task.pairs for job in jobs} == {str(tmp_path / "utt2prompt")}


@pytest.mark.parametrize(("listed", "said"), [("", "task.pairs is empty"), ("nowhere", "nowhere is no file")])
def test_conversion_without_the_published_pairs_is_refused(
    listed: str, said: str, monkeypatch: pytest.MonkeyPatch, store: ArtifactStore
) -> None:
    """Pairs drawn here would take the place of the published ones without a word."""
    monkeypatch.setenv("UTT2PROMPT", listed)
    (job,) = composed("experiment=survey_conversion", "tokenizer=facodec", "dataset=synthetic")
    examination = Examination(Hub())
    examination.add(job)
    (task,) = (item for item in examination.items if item.kind == "task")
    assert [said in need.what for need in task.needs] == [True]
    with pytest.raises(UserError, match=said):
        build(job.task).conversion(build(job.dataset), store)


def test_the_list_of_the_small_size_converts_all_its_utterances(store: ArtifactStore) -> None:
    """The list has the format of the published one, and a pair for every utterance that mini decodes."""
    mini = ["profile=survey_mini", "dataset=synthetic", "tokenizer=mel_rvq"]
    (job,) = composed("experiment=survey_conversion", *mini, f"conversion_pairs={MINI_PAIRS}")
    corpus = build(job.dataset)
    conversion = build(job.task).conversion(corpus, store)
    decoded = corpus.manifest("test", store).subset(job.limit)
    assert {u.utterance_id for u in conversion.sources} == {u.utterance_id for u in decoded}
    assert conversion.pairing.counts().keys() == {"same_gender", "cross_gender"}


def test_probes_have_every_row_but_the_recordings() -> None:
    for experiment, dataset, probe in (
        ("survey_asr", "librispeech_960", "asr_survey"),
        ("survey_intent", "slurp", "intent_survey"),
    ):
        jobs = composed(f"experiment={experiment}")
        assert names(jobs) == names(composed("experiment=survey_reconstruction")) - {"ground_truth"}
        assert {(job.dataset.name, job.task.probe.name) for job in jobs} == {(dataset, probe)}


def test_lengths_have_the_rows_of_one_small_codebook() -> None:
    """Figure 8 ends at a vocabulary of 12,000; each of its lines starts at the codes of one codebook."""
    specs = {
        job.tokenizer.name: build(job.tokenizer).spec for job in composed("experiment=survey_reconstruction")
    }
    one_book = {
        name for name, spec in specs.items() if spec.num_codebooks == 1 and spec.codebook_sizes[0] < 12_000
    }
    jobs = composed("experiment=survey_length")
    assert names(jobs) == one_book and len(jobs) == 7
    assert {(job.dataset.name, *job.task.vocabularies[-1:]) for job in jobs} == {("librispeech_960", 12_000)}


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
