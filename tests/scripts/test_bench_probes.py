"""Tests of the script that measures the training of probes, with real trainings of both loops."""

import io
import json
from pathlib import Path

import pytest
import torch

from benchmark.models.probes.bilstm import BiLSTM
from scripts.bench import probes as bench
from scripts.bench.interleaved import MARK

TINY = ["--utterances=12", "--dev=4", "--seconds=1", "--epochs=2", "--steps=2", "--out=unused.md"]


def epochs_of(
    loop: str, preset: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> list[dict]:
    """Return the answers of one worker that is asked for three epochs, one at a time, and then to end."""
    monkeypatch.setattr("sys.stdin", io.StringIO("1\n1\n1\n0\n"))
    assert (
        bench.main([*TINY, f"--threads={torch.get_num_threads()}", "--worker", loop, preset, "2", "12.5"])
        == 0
    )
    told = capsys.readouterr().out.splitlines()
    return [json.loads(line.removeprefix(MARK)) for line in told if line.startswith(MARK)]


@pytest.mark.parametrize("preset", ["asr_controlled_mini", "intent_controlled_mini"])
def test_both_loops_train_by_turns_and_make_a_line(
    preset: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {}
    for loop in bench.LOOPS:
        *turns, facts = epochs_of(loop, preset, monkeypatch, capsys)
        assert [len(turn["seconds"]) for turn in turns] == [1, 1, 1]
        assert len(facts["frames_per_second"]) == 3
        told[loop] = facts | {"seconds": [tuple(turn["seconds"][0]) for turn in turns]}
        wall = [turn["seconds"][0][0] for turn in turns]
        # Two batches of 8 and 4 utterances, with 4 frames for each of 6 to 12 codes, without padding.
        read = [rate * seconds for rate, seconds in zip(facts["frames_per_second"], wall, strict=True)]
        assert min(read) > 12 * 6 * 4
    # The packed LSTM has as many weights as ours, including both biases.
    assert told["ours"]["parameters"] == told["packed"]["parameters"]
    cells = bench.line(bench.Case(preset, 2, 12.5), told).strip("| ").split(" | ")
    assert cells[:3] == [preset, "2", "12.5"]
    assert len(cells) == bench.HEADER.splitlines()[0].count(" | ") + 1


def test_other_presets_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench.main([*TINY, "--presets", "phones_framewise"])
    assert "'phones_framewise' must be one of" in capsys.readouterr().err


def test_the_reference_computes_what_ours_does() -> None:
    config = bench.read_preset("intent_controlled_mini", 3)
    assert (config.steps_per_epoch, config.learning_rate) == (3, 2.5e-3)
    ours, reference = BiLSTM(5, config.hidden_dim, config.layers, 0.0), bench.PackedBiLSTM(5, config)
    with torch.no_grad():
        for direction, lstm in (("", ours.forward_layers[0]), ("_reverse", ours.backward_layers[0])):
            for name, weight in lstm.named_parameters():
                getattr(reference.lstm, name + direction).copy_(weight)
    x, lengths = torch.randn(3, 9, 5), torch.tensor([9, 2, 5])
    for a, b, length in zip(ours(x, lengths), reference(x, lengths), lengths.tolist(), strict=True):
        torch.testing.assert_close(a[:length], b[:length])


def test_the_page_says_what_was_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"ours": [(1.0, 0.5), (3.0, 0.7), (2.0, 0.6)], "packed": [(8.0, 3.0), (8.0, 3.0), (9.0, 3.1)]}
    rest = {"frames_per_second": [1000.0, 3000.0, 2000.0], "peak": 0.25, "parameters": 10**6}
    told = {loop: rest | {"seconds": values} for loop, values in seconds.items()}
    monkeypatch.setattr(bench, "compare", lambda case, arguments: told)
    out = tmp_path / "speed.md"
    assert bench.main(["--out", str(out), "--presets", "asr_mini", "--books", "1", "--rates", "50"]) == 0
    assert out.read_text().splitlines()[-1] == (
        "| asr_mini | 1 | 50 | 2,000 | 2,000 | 2 [1, 3] | 8 [8, 9] | 4.00, 5.00 | 0.25, 0.25 | 1.00 |"
    )
