import os
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from toys import Heard, Peak, PeakRatio, Spelling, calls

from benchmark.metrics.base import Metric, Score
from benchmark.metrics.evaluation import evaluate
from benchmark.metrics.evaluation.evaluate import Evaluation
from benchmark.metrics.signal_pair import Pair
from benchmark.storage.artifacts import ArtifactStore


def test_one_line_per_original_and_a_column_per_metric(store: ArtifactStore, make_speech) -> None:
    speech = make_speech([0.25, None, 0.5], texts=["1 9", "1", None])
    frame = Evaluation(store)(speech, {"ratio": PeakRatio(), "heard": Heard()})
    assert frame["utterance_id"].tolist() == ["u0", "u1", "u2"]
    assert frame["speaker_id"].tolist() == ["s0", "s1", "s0"]
    assert frame["ratio"].tolist() == pytest.approx([0.5, np.nan, 1.0], abs=1e-3, nan_ok=True)
    assert frame["heard"].tolist() == pytest.approx([50.0, np.nan, np.nan], nan_ok=True)
    assert frame["heard:weight"].tolist() == pytest.approx([2.0, np.nan, np.nan], nan_ok=True)
    assert frame["heard:text"].tolist() == ["1 6 0 0", None, None]
    assert frame["failure"].tolist() == [None, "no codes", None]
    assert frame["abstained"].tolist() == [None, None, "heard: no text"]


def test_remarks_on_scores_outlive_the_process(
    store: ArtifactStore, make_speech, monkeypatch: pytest.MonkeyPatch
) -> None:
    def score(self: Heard, pair: Pair) -> Score:
        return Score(50.0, remarks=("looped", "cut") if pair.utterance_id == "u1" else ())

    speech = make_speech([0.25, 0.5], texts=["1", "2"])
    monkeypatch.setattr(Heard, "score", score)
    Evaluation(store)(speech, {"heard": Heard()})
    monkeypatch.undo()
    frame = Evaluation(store)(speech, {"heard": Heard()})
    assert frame["heard"].tolist() == [50.0, 50.0]
    assert frame["heard:remarks"].tolist() == [None, "looped, cut"]


def test_another_evaluation_of_the_same_speech_computes_nothing(
    store: ArtifactStore, tmp_path: Path, make_speech
) -> None:
    speech, log = make_speech([0.2, 0.3]), str(tmp_path)
    metrics = {"ratio": PeakRatio(log=log, peak=Peak(log=log)), "heard": Heard(ear=Spelling(log=log))}
    first = Evaluation(store)(speech, metrics)
    done = (tmp_path / "calls").read_text()
    second = Evaluation(store)(speech, metrics)
    pd.testing.assert_frame_equal(first, second)
    assert (tmp_path / "calls").read_text() == done


def test_a_metric_that_is_added_computes_itself_alone(
    store: ArtifactStore, tmp_path: Path, make_speech
) -> None:
    speech, log = make_speech([0.2, 0.3]), str(tmp_path)
    old: dict[str, Metric] = {"ratio": PeakRatio(log=log), "heard": Heard(ear=Spelling(log=log))}
    Evaluation(store)(speech, old)
    # Another metric of the same model: the speech is not transcribed again.
    frame = Evaluation(store)(
        speech, old | {"again": replace(old["heard"], label="x", tasks=("voice_conversion",))}
    )
    assert calls(tmp_path, "score u0") == calls(tmp_path, "score u1") == 1
    assert calls(tmp_path, "batch of 2") == 1
    assert frame["again"].tolist() == frame["heard"].tolist()


def test_what_belongs_to_the_originals_is_made_for_the_first_tokenizer_only(
    store: ArtifactStore, tmp_path: Path, make_speech
) -> None:
    metric = PeakRatio(peak=Peak(log=str(tmp_path)))
    Evaluation(store)(make_speech([0.2, 0.3], "a"), {"ratio": metric})
    Evaluation(store)(make_speech([0.1, 0.1], "b"), {"ratio": metric})
    assert calls(tmp_path, "peak 0.5") == 2 and calls(tmp_path, "peak 0.1") == 2


def test_models_get_batches_and_originals_too(store: ArtifactStore, tmp_path: Path, make_speech) -> None:
    metrics = {"heard": Heard(against="reference", ear=Spelling(log=str(tmp_path)))}
    frame = Evaluation(store)(make_speech([0.2] * 5), metrics)
    assert calls(tmp_path, "batch of 5") == 1
    assert frame["heard:text"].tolist()[1] == "1 7 6 0"


def test_a_failure_is_nan_with_its_reason_and_costs_no_other_number(
    store: ArtifactStore, make_speech
) -> None:
    speech = make_speech([0.0, 0.2])
    frame = Evaluation(store)(speech, {"ratio": PeakRatio(), "heard": Heard()})
    assert np.isnan(frame["ratio"][0]) and np.isnan(frame["heard"][0])
    assert frame["failure"][0] == "ratio: no peak; heard: nothing heard"
    assert frame["failure"][1] is None


def test_a_decoded_file_that_is_gone_counts_as_failed(store: ArtifactStore, make_speech) -> None:
    speech = make_speech([0.2, 0.2])
    speech.decoded["u0"].unlink()
    frame = Evaluation(store)(speech, {"ratio": PeakRatio()})
    assert "unreadable audio" in frame["failure"][0] and np.isfinite(frame["ratio"][1])


def test_an_original_without_a_value_fails_by_its_reason(store: ArtifactStore, make_speech) -> None:
    speech = make_speech([0.2, 0.2])
    Path(speech.originals["u0"].audio_path).write_bytes(b"no audio")
    frame = Evaluation(store)(speech, {"ratio": PeakRatio()})
    assert "unreadable audio" in frame["failure"][0] and np.isfinite(frame["ratio"][1])


def test_processes_change_no_number(store: ArtifactStore, tmp_path: Path, make_speech) -> None:
    speech = make_speech([0.1 * n for n in range(1, 8)])
    metrics = {"ratio": PeakRatio(), "heard": Heard()}
    frames = [
        Evaluation(ArtifactStore(tmp_path / f"store{n}"), processes=n)(speech, metrics) for n in (1, 2, 4)
    ]
    pd.testing.assert_frame_equal(frames[0], frames[1])
    pd.testing.assert_frame_equal(frames[0], frames[2])


def test_chunks_change_no_number(store: ArtifactStore, tmp_path: Path, make_speech, monkeypatch) -> None:
    speech = make_speech([0.1 * n for n in range(1, 8)])
    metrics = {"ratio": PeakRatio(), "heard": Heard()}
    whole = Evaluation(store)(speech, metrics)
    monkeypatch.setattr(evaluate, "AT_ONCE", 3)
    pd.testing.assert_frame_equal(Evaluation(ArtifactStore(tmp_path / "other"))(speech, metrics), whole)


def test_a_prompt_is_part_of_what_is_scored(store: ArtifactStore, make_speech) -> None:
    speech = make_speech([0.2, 0.2])
    metrics = {"heard": Heard(against="prompt")}
    frame = Evaluation(store)(speech, metrics)
    assert frame["failure"].tolist() == ["heard: it has no prompt"] * 2
    prompted = replace(speech, prompts={"u0": speech.originals["u1"]})
    frame = Evaluation(store)(prompted, metrics)
    assert frame["heard:text"].tolist() == ["1 7 6 0", None]
    assert frame["failure"].tolist() == [None, "heard: it has no prompt"]


KILLED = """
    import sys, time
    from pathlib import Path
    sys.path.insert(0, sys.argv[3])
    from toys import PeakRatio, note
    from benchmark.storage.artifacts import ArtifactStore
    from benchmark.data.manifest import Manifest
    from benchmark.metrics.evaluation.evaluate import Evaluation, Speech

    class Slow(PeakRatio):
        def score(self, pair):
            time.sleep(0.2)
            return super().score(pair)

    folder = Path(sys.argv[1])
    originals = Manifest.load(folder / "manifest.arrow")
    decoded = {u.utterance_id: folder / "a" / f"{u.utterance_id}.wav" for u in originals}
    speech = Speech(originals=originals, decoded=decoded, failures={}, source="a")
    frame = Evaluation(ArtifactStore(sys.argv[2]))(speech, {"ratio": Slow(log=str(folder))})
    frame.to_csv(folder / "scores.csv", index=False)
"""


def test_a_killed_evaluation_goes_on_where_it_was(tmp_path: Path, make_speech) -> None:
    speech = make_speech([0.1 * n for n in range(1, 10)])
    speech.originals.save(tmp_path / "manifest.arrow")
    script = tmp_path / "run.py"
    script.write_text(textwrap.dedent(KILLED))
    command = [
        sys.executable,
        str(script),
        str(tmp_path),
        str(tmp_path / "store"),
        str(Path(__file__).parent),
    ]
    process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 60
        while calls(tmp_path, "score u4") == 0 and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    before = sum(calls(tmp_path, f"score u{n}") for n in range(9))
    assert 5 <= before < 9
    subprocess.run(command, check=True)
    after = sum(calls(tmp_path, f"score u{n}") for n in range(9))
    assert after - before <= 9 - (before - 1)  # only the interrupted utterance is scored twice
    clean = Evaluation(ArtifactStore(tmp_path / "clean"))(speech, {"ratio": PeakRatio()})
    assert pd.read_csv(tmp_path / "scores.csv")["ratio"].tolist() == pytest.approx(
        clean["ratio"].tolist(), rel=1e-15
    )


def test_a_log_without_a_bar_says_how_far_it_is(
    store: ArtifactStore, make_speech, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(evaluate, "AT_ONCE", 2)
    monkeypatch.setattr(evaluate, "EVERY", 0.0)
    with caplog.at_level("INFO"):
        Evaluation(store)(make_speech([0.2] * 5), {"ratio": PeakRatio()})
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split(",")[0] for line in lines if line.startswith("scored") and " of " in line] == [
        "scored 2 of 5",
        "scored 4 of 5",
        "scored 5 of 5",
    ]
    assert any(line.startswith("scored in") for line in lines)


def test_what_an_utterance_has_is_not_computed_again_beside_what_it_lacks(
    store: ArtifactStore, tmp_path: Path, make_speech
) -> None:
    """Score a second set of metrics that overlaps with the first, after one utterance lost its scores."""
    speech, log = make_speech([0.2, 0.3]), str(tmp_path)
    ratio, heard = PeakRatio(log=log), Heard(ear=Spelling(log=log))
    Evaluation(store)(speech, {"ratio": ratio})
    [journal] = (store.root / "scores" / speech.digest).glob("*.jsonl")
    journal.write_text("".join(line for line in journal.open() if '"u1"' not in line))
    frame = Evaluation(store)(speech, {"ratio": ratio, "heard": heard})
    assert calls(tmp_path, "score u0") == 1 and calls(tmp_path, "score u1") == 2
    assert calls(tmp_path, "batch of 2") == 1
    assert frame.drop(columns=["failure", "abstained"]).notna().all(axis=None)
