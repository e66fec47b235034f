"""The real command line on a corpus of a minute: five tasks, the tables, and the errors people meet."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[1]
MICRO = [
    "dataset.train_utterances=36",
    "dataset.dev_utterances=12",
    "dataset.test_utterances=12",
    "tokenizer.num_codebooks=2",
    "tokenizer.codebook_size=32",
    "vocoder.steps=4",
    "vocoder.steps_per_epoch=2",
    "asr_probe.epochs=1",
    "intent_probe.epochs=1",
    "limit=6",
    "trainer.progress_bar=false",
    "trainer.accelerator=cpu",
]
TASKS = ("reconstruction", "voice_conversion", "asr_probe", "intent_probe", "codebook_usage")


def benchmark(folder: Path, *overrides: str, command: str = "run") -> subprocess.CompletedProcess[str]:
    outputs = [f"hydra.run.dir={folder}/out", f"hydra.sweep.dir={folder}/out"] if command == "run" else []
    return subprocess.run(
        [sys.executable, "-m", "benchmark", command, *overrides, *outputs],
        cwd=ROOT,
        env=os.environ
        | {"CACHE": str(folder / "cache"), "RESULTS": str(folder / "results"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
    )


def read(folder: Path, name: str) -> pd.DataFrame:
    path = folder / "results" / "mini" / "tables" / f"{name}.csv"
    return pd.read_csv(path, keep_default_na=False).set_index("tokenizer")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One tokenizer through every task, by Hydra's multirun."""
    folder = tmp_path_factory.mktemp("sweep")
    run = benchmark(folder, "-m", f"task={','.join(TASKS)}", "tokenizer=mel_rvq", *MICRO)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    return folder


def test_a_sweep_fills_five_tables(sweep: Path) -> None:
    reconstruction = read(sweep, "reconstruction").loc["mel_rvq"]
    assert reconstruction["decoder"] == "ctx_vec2wav_mini"
    assert float(reconstruction["bitrate_kbps"]) == 0.5
    # Four steps teach a vocoder nothing: its speech is scored all the same, and the row says so.
    assert reconstruction["status"] == "NC" and "constant spectrum" in reconstruction["reason"]
    assert float(reconstruction["wer"]) > 50 and float(reconstruction["mel_distance"]) > 1
    usage = read(sweep, "codebook_usage").loc["mel_rvq"]
    assert 0 < float(usage["entropy"]) <= 5 and usage["status"] == "ok"
    probing = read(sweep, "probing").loc["mel_rvq"]
    assert probing["status"] == "NC"  # one epoch on a minute of speech learns nothing, and that is said
    assert "floor" in probing["reason"] or "better" in probing["reason"]
    assert float(read(sweep, "voice_conversion").loc["mel_rvq"]["secs"]) > 0
    conditions = read(sweep, "voice_conversion_conditions").loc["mel_rvq"]
    assert [conditions[f"wer/{name}_n"] for name in ("same_gender", "cross_gender", "cross_lingual")] == [
        2
    ] * 3
    folder = sweep / "results/mini"
    assert len((folder / "pairs/synthetic.csv").read_text().splitlines()) == 7
    audio = folder / "audio/voice_conversion__mel_rvq__synthetic__seed0"
    kept = [len(list(audio.glob(f"*_{role}.wav"))) for role in ("source", "prompt", "converted")]
    assert len(set(kept)) == 1 and 3 <= kept[0] <= 6  # the same for all, the two worst and the best
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "audio/flac" in page or "audio/webm" in page
    for suffix in ("md", "tex", "csv"):
        assert len(list((sweep / "results/mini/tables").glob(f"*.{suffix}"))) == 6  # with the overview


def test_a_second_sweep_runs_nothing_and_changes_nothing(sweep: Path) -> None:
    tables = {p: p.read_bytes() for p in (sweep / "results/mini/tables").iterdir()}
    (sweep / "results/mini/report.html").unlink()
    run = benchmark(sweep, "-m", f"task={','.join(TASKS)}", "tokenizer=mel_rvq", *MICRO)
    assert run.returncode == 0 and run.stdout.count("done already") == len(TASKS)
    assert f"{len(TASKS)} done ({len(TASKS)} of them before)" in run.stderr
    assert "Launching" not in run.stdout  # not even the processes of a launcher
    assert (sweep / "results/mini/report.html").is_file()
    assert {p: p.read_bytes() for p in (sweep / "results/mini/tables").iterdir()} == tables


def test_ground_truth_is_perfect_and_opus_is_not(sweep: Path) -> None:
    micro = [override for override in MICRO if not override.startswith("tokenizer.")]
    run = benchmark(sweep, "-m", "task=reconstruction", "tokenizer=ground_truth,opus_6k", *micro)
    assert run.returncode == 0, run.stderr[-2000:]
    table = read(sweep, "reconstruction")
    truth, opus = table.loc["ground_truth"], table.loc["opus_6k"]
    assert float(truth["pesq"]) > 4.6 and float(truth["stoi"]) > 0.999 and float(truth["gpe"]) == 0
    assert 0.5 < float(opus["stoi"]) < 0.95 and float(opus["pesq"]) < 4
    assert float(truth["wer"]) < float(opus["wer"])


def test_the_vocoder_decodes_a_codec_on_a_line_of_its_own(sweep: Path) -> None:
    micro = [override for override in MICRO if not override.startswith("tokenizer.")]
    jobs = ("-m", "task=reconstruction,voice_conversion", "tokenizer=opus_6k")
    runs = [benchmark(sweep, *jobs, *micro, f"decoder={decoder}") for decoder in ("auto", "own", "vocoder")]
    assert [run.returncode for run in runs] == [0] * 3, runs[-1].stderr[-2000:]
    assert runs[1].stdout.count("done already") == 2  # which is what auto had meant
    for name in ("reconstruction", "voice_conversion"):
        table = read(sweep, name)
        own, vocoded = table.loc["opus_6k"], table.loc["opus_6k+vocoder"]
        assert vocoded["decoder"] == "ctx_vec2wav_mini" != own["decoder"]
    assert own["status"] == "n/a" and "decoder=vocoder can" in own["reason"]
    assert vocoded["status"] == "NC" and float(vocoded["wer"]) > 0  # untrained, and scored all the same
    assert "opus_6k+vocoder" not in read(sweep, "probing").index


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["tokenizer=nonsense"], ["nonsense", "mel_rvq"]),
        (["dataset=librispeech", "dataset.root=/no/such/folder"], ["/no/such/folder"]),
        (["dataset=slurp", "dataset.root="], ["SLURP"]),
        (["tokenizer=lyra_3k2", "tokenizer.checkpoint_dir=/no/weights"], ["/no/weights"]),
        (["decoder=own"], ["mel_rvq has no decoder", "decoder=vocoder"]),
        (["task=voice_conversion", "task.conditions=[gender]"], ["'gender'", "cross_gender"]),
        (["task=voice_conversion", "task.pairs=/no/list"], ["/no/list", "speech-token-benchmark pairs"]),
        (["policy=sometimes"], ["sometimes", "only_missing"]),
        (["tokenizer._target_=os.getcwd"], ["os.getcwd", "benchmark."]),
    ],
)
def test_mistakes_get_a_sentence_and_no_traceback(
    tmp_path: Path, overrides: list[str], words: list[str]
) -> None:
    run = benchmark(tmp_path, *overrides, "trainer.progress_bar=false")
    assert run.returncode != 0
    for word in words:
        assert word in run.stderr + run.stdout
    assert "Traceback" not in run.stderr


def test_report_without_rows_names_the_command(tmp_path: Path) -> None:
    run = benchmark(tmp_path, str(tmp_path / "empty"), command="report")
    assert run.returncode == 1 and "make reproduce-table" in run.stderr and "Traceback" not in run.stderr
