"""Tests that the doctor reports everything that a sweep would miss, and downloads nothing."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import HfApi, constants
from huggingface_hub.errors import GatedRepoError, HTTPError, RepositoryNotFoundError, RevisionNotFoundError
from omegaconf import OmegaConf

from benchmark.jobs import requirements as needs
from benchmark.tokenizers.lyra import Lyra
from benchmark.tokenizers.pretrained import Pretrained
from tests.door import door

main = partial(door, "doctor")

ROOT = Path(__file__).resolve().parents[2]
WHISPER = ["tokenizer=whisper_kmeans", "tokenizer.checkpoint=openai/whisper-small", "task=codebook_usage"]
FILES = {
    "config.json": 2_000_000,
    "model.safetensors": 965_000_000,
    "pytorch_model.bin": 967_000_000,
    "a.h5": 1,
}


class Asked(list[str]):
    """Repositories that were looked up on the hub; `answer` is the value returned or the error raised."""

    answer: Callable[[], Any]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Asked:
    """Set an empty cache and a hub with one repository; return the record of requests."""
    asked = Asked()
    asked.answer = lambda: SimpleNamespace(
        siblings=[SimpleNamespace(rfilename=name, size=size) for name, size in FILES.items()], gated=False
    )

    def model_info(_: HfApi, repo_id: str, **options: Any) -> Any:
        assert options["timeout"] <= 5 and options["files_metadata"]
        asked.append(repo_id)
        return asked.answer()

    monkeypatch.setattr(HfApi, "model_info", model_info)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)  # a download would fail, and so would the test
    for name in ("LIBRISPEECH", "SLURP", "LYRA", "WHISPER"):
        monkeypatch.delenv(name, raising=False)
    return asked


@pytest.fixture
def doctor(hub: Asked, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def run(*arguments: str) -> tuple[int, str]:
        status = main(list(arguments))
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return run


def failing(kind: type[Exception]) -> Callable[[], Any]:
    def answer() -> Any:
        raise kind("no", response=SimpleNamespace(headers={}, request=None))

    return answer


def test_nothing_is_missing(doctor: Any, hub: Asked) -> None:
    status, said = doctor("tokenizer=ground_truth", "task=codebook_usage")
    assert status == 0 and hub == []
    assert said.splitlines() == [
        "here     tokenizer  ground_truth",
        "here     corpus     synthetic",
        "",
        "Nothing is missing.",
    ]


def test_a_missing_checkpoint_comes_with_command_and_size(doctor: Any, hub: Asked) -> None:
    status, said = doctor(*WHISPER, "tokenizer.revision=v1")
    assert status == 1 and hub == ["openai/whisper-small"]
    assert "missing  tokenizer  whisper_kmeans  weights openai/whisper-small@v1" in said
    # The copies of the same weights are left out of the command and of the sum.
    command = "hf download openai/whisper-small --exclude '*.h5' --exclude 'pytorch_model*' --revision v1"
    assert f"{command}  # 967 MB" in said
    assert "To download in all: 967 MB." in said


def test_an_aligner_is_looked_for_where_a_task_uses_one(doctor: Any) -> None:
    status, said = doctor("tokenizer=ground_truth", "task=codebook_usage", "aligner=wav2vec2_phoneme")
    assert status == 1
    assert "missing  aligner    facebook/wav2vec2-lv-60-espeak-cv-ft" in said
    assert doctor("tokenizer=ground_truth", "task=asr_probe", "aligner=wav2vec2_phoneme")[0] == 0


def test_patterns_are_quoted_and_reach_hf_as_patterns(doctor: Any) -> None:
    _, said = doctor(*WHISPER, "+tokenizer.files=[config.json,'*.safetensors','*.gguf']")
    assert "hf download openai/whisper-small --include config.json --include '*.safetensors'" in said
    assert "has no file *.gguf" in said


def test_without_the_hub_the_yaml_tells_the_size(doctor: Any, hub: Asked) -> None:
    def unreachable() -> Any:
        raise HTTPError("no route")

    hub.answer = unreachable
    names = "openai/whisper-small,openai/whisper-medium"
    status, said = doctor(
        *("-m", "tokenizer=whisper_kmeans", f"tokenizer.checkpoint={names}", "task=codebook_usage,asr_probe"),
        "tokenizer.size_mb=900",
    )
    assert status == 1 and len(hub) == 1  # and is not asked again
    assert said.count("# about 900 MB") == 2 and "To download in all: about 1.8 GB." in said
    _, said = doctor(*WHISPER)
    assert "# size unknown" in said and "0 MB, and 1 of unknown size" in said


def test_listeners_and_voices_of_papers_come_with_size_and_licence(
    doctor: Any, hub: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable() -> Any:
        raise HTTPError("no route")

    hub.answer = unreachable
    monkeypatch.setenv("NEMO_PYTHON", "/no/python")
    status, said = doctor("tokenizer=opus_6k", "asr=nemo", "metric=[wer,codec_paper]")
    assert status == 1
    for words in (
        "missing  asr              nvidia/stt_en_fastconformer_transducer_large",
        "missing  asr              facebook/hubert-large-ls960-ft",
        "--include '*.nemo' --revision 108045f5",
        "  # about 457 MB; licence CC-BY-4.0",
        "5401b25be96709d8  # about 1.3 GB; licence Apache-2.0",
        "--include wavlm_large_finetune.pth --revision main  # about 1.3 GB; licence CC-BY-SA-3.0",
        "--revision 4f2447e519df3b88567b45583d3500006729502b  # about 413 MB; licence MIT",
        "missing  environment      /no/python",
        "asr.python=/no/python is no Python that runs (No such file or directory): python -m venv nemo_env",
        "pip install 'nemo_toolkit[asr]>=2.0'",
    ):
        assert words in said
    (tmp_path / "wavlm_large_finetune.pth").touch()
    _, said = doctor(
        *("tokenizer=opus_6k", "metric=codec_paper/sim"),
        f"metric.codec_paper_sim.encoder.checkpoint={tmp_path}",
    )
    assert f"here     speaker encoder  {tmp_path}" in said and "environment" not in said


def checkpoints(node: Any) -> Iterator[dict[str, Any]]:
    """Yield the mappings of a yaml that name a checkpoint."""
    if isinstance(node, dict):
        if "checkpoint" in node:
            yield node
        for value in node.values():
            yield from checkpoints(value)


def test_whatever_listens_or_judges_states_size_and_licence() -> None:
    groups = ("asr", "aligner", "metric", "speaker_encoder")
    paths = [path for group in groups for path in (ROOT / "conf" / group).rglob("*.yaml")]
    found = [node for path in paths for node in checkpoints(OmegaConf.to_container(OmegaConf.load(path)))]
    assert len(found) >= 10
    assert not [node["checkpoint"] for node in found if not {"licence", "size_mb"} <= node.keys()]


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        (GatedRepoError, "accept its terms"),
        (RevisionNotFoundError, "'v1'"),
        (RepositoryNotFoundError, "no such"),
    ],
)
def test_what_stands_in_the_way_of_a_download_is_said(
    doctor: Any, hub: Asked, kind: type[Exception], word: str
) -> None:
    hub.answer = failing(kind)
    status, said = doctor(*WHISPER, "tokenizer.revision=v1")
    assert status == 1 and word in said.split("# ")[1]


def test_a_sweep_names_each_thing_once(doctor: Any, hub: Asked) -> None:
    status, said = doctor("experiment=mini,mini_floors", "whisper_checkpoint=openai/whisper-tiny.en")
    lines = said.splitlines()
    tokenizers = [line for line in lines if " tokenizer " in line]
    assert status == 1 and len(tokenizers) == 9 and len([line for line in lines if " corpus " in line]) == 1
    # Tokenizer, floor and recogniser stand on one checkpoint, fetched once.
    assert [line.split()[:3] for line in lines if "weights openai" in line] == [
        ["missing", "tokenizer", "whisper_kmeans"],
        ["missing", "tokenizer", "shuffled_whisper_kmeans"],
        ["missing", "asr", "openai/whisper-tiny.en"],
    ]
    assert said.count("hf download") == 1 and "967 MB" in said and "3 of 11" in said


def test_the_command_line_wins_over_the_experiment(doctor: Any) -> None:
    status, said = doctor("experiment=mini", "tokenizer=opus_6k,ground_truth", "task=codebook_usage")
    assert status == 0 and said.count(" tokenizer ") == 2


def test_missing_corpora_and_files_are_named(doctor: Any) -> None:
    status, said = doctor("-m", "dataset=slurp,librispeech", "tokenizer=lyra_3k2", "task=asr_probe")
    assert status == 1
    assert [line.split()[:3] for line in said.splitlines() if line.startswith("missing")] == [
        ["missing", "tokenizer", "lyra_3k2"],
        ["missing", "corpus", "slurp"],
        ["missing", "corpus", "librispeech"],
    ]
    assert "LYRA=" in said and "SLURP=" in said and "LIBRISPEECH=" in said and "hf download" not in said


def test_missing_libraries_are_named_with_their_extra(doctor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Lyra, "library", "no_such_library")
    monkeypatch.setattr(Pretrained, "library", "another_one")
    _, said = doctor("-m", "tokenizer=lyra_3k2,lyra_6k0,whisper_kmeans", "task=codebook_usage")
    assert said.count("library no_such_library") == 2
    assert said.count("pip install 'speech-token-benchmark[lyra]'") == 1
    assert "pip install another-one" in said


def test_published_centroids_that_are_not_there(doctor: Any) -> None:
    status, said = doctor("tokenizer=whisper_kmeans", "+tokenizer.centroids=/no/file", "task=codebook_usage")
    assert status == 1 and "centroids /no/file" in said and "convert_kmeans" in said


def test_the_prompt_counts_where_a_vocoder_is_used(doctor: Any) -> None:
    task = ["-m", "task=reconstruction,voice_conversion", "vocoder=ctx_vec2wav_alpha"]
    status, said = doctor(*task, "tokenizer=mel_rvq,opus_6k")
    assert status == 1 and "missing  prompt     microsoft/wavlm-large" in said
    status, said = doctor(*task, "tokenizer=opus_6k,ground_truth")
    assert status == 0 and "wavlm" not in said
    status, said = doctor(*task, "tokenizer=opus_6k", "decoder=vocoder")
    assert status == 1 and "missing  prompt     microsoft/wavlm-large" in said
    status, said = doctor("tokenizer=mel_rvq", "decoder=own")
    assert status == 1 and "decoder=vocoder" in said
    assert doctor("tokenizer=mel_rvq", "vocoder=ctx_vec2wav_mini")[0] == 0
    random = ["vocoder=ctx_vec2wav_alpha", "vocoder.prompt.random_weights=true"]
    assert doctor("tokenizer=mel_rvq", *random)[0] == 0
    status, said = doctor("tokenizer=mel_rvq", "vocoder/prompt=whisper", "vocoder.prompt.checkpoint=no/such")
    assert status == 1 and "missing  prompt     no/such" in said


def test_what_hears_the_prompt_of_an_own_decoder_counts_where_that_decodes(doctor: Any) -> None:
    status, said = doctor("tokenizer=lscodec_50hz", "task=reconstruction")
    assert status == 1 and "microsoft/wavlm-large" in said and "lscodec_vocoder.pt" in said
    _, said = doctor("tokenizer=lscodec_50hz", "task=codebook_usage")
    assert "microsoft/wavlm-large" not in said


def test_weights_of_a_decoder_alone_count_where_that_decodes(doctor: Any, hub: Asked) -> None:
    status, said = doctor("tokenizer=mel_bigvgan", "task=asr_probe")
    assert status == 0 and hub == []
    status, said = doctor("-m", "tokenizer=mel_bigvgan", "task=asr_probe,reconstruction")
    assert status == 1 and hub == ["nvidia/bigvgan_v2_24khz_100band_256x"]
    assert said.count("weights nvidia/bigvgan_v2_24khz_100band_256x") == 1


def test_a_device_that_is_not_there(doctor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    status, said = doctor("tokenizer=opus_6k", "device=cuda")
    assert status == 1 and "device=cpu" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["tokenizer=nonsense"], ["nonsense", "mel_rvq"]),
        (["tokenizer=mel_rvq,opus_6k"], ["--multirun"]),
        (["-m", "tokenizer=mel_rvq,nonsense"], ["nonsense"]),
        (["no_such_key=1"], ["no_such_key"]),
        (["tokenizer=["], ["["]),
        (["experiment=nonsense"], ["nonsense", "mini"]),
        (["--config-dir", "/no/such/folder"], ["/no/such/folder"]),
        (["tokenizer=opus_6k", "tokenizer.bitrate=7"], ["7"]),
        (["tokenizer=mel_rvq", "tokenizer.name=???"], ["name"]),
        (["tokenizer=mel_rvq", "tokenizer._target_=os.getcwd"], ["os.getcwd"]),
        (["task._target_=benchmark.tasks.nothing.Here"], ["benchmark.tasks.nothing"]),
        (["~tokenizer"], ["tokenizer"]),
        (["dataset=slurp", "dataset.recordings=loud"], ["loud", "headset"]),
        (["tokenizer.codebook_size=${nothing}"], ["nothing"]),
        (["hydra/sweeper=nonsense", "-m"], ["nonsense"]),
    ],
)
def test_mistakes_are_told_and_not_thrown(doctor: Any, arguments: list[str], words: list[str]) -> None:
    status, said = doctor(*arguments)
    assert status == 1
    for word in words:
        assert word in said


def test_what_is_here_is_seen_without_a_download(
    doctor: Any, hub: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(needs, "is_here", lambda *_: True)
    assert doctor(*WHISPER)[0] == 0 and hub == []


def test_the_command_with_a_network_that_fails(tmp_path: Path) -> None:
    environment = os.environ | {
        "HF_ENDPOINT": "http://127.0.0.1:9",
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_CACHE": str(tmp_path),
    }
    start = time.monotonic()
    run = subprocess.run(
        [sys.executable, "-m", "benchmark", "doctor", *WHISPER, "tokenizer.size_mb=967"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert run.returncode == 1 and run.stderr == ""
    assert "hf download openai/whisper-small" in run.stdout and "about 967 MB" in run.stdout
    assert "HF_HUB_OFFLINE" not in run.stdout and time.monotonic() - start < 240
