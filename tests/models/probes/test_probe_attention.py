"""The attention decoder: its inputs, its end of decoding, independence of the batch, and learning."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.models.probes.asr import can_emit, make_asr_probe
from benchmark.models.probes.attention import AttentionProbe
from benchmark.models.probes.config import AttentionConfig
from benchmark.models.probes.ctc import CTCProbe
from benchmark.models.probes.data import Batch
from benchmark.models.probes.decoder import END, AttentionDecoder
from benchmark.models.probes.frontend import PADDING
from benchmark.models.probes.normalize import NUM_LABELS, encode
from benchmark.models.probes.predict import infeasible, transcribe
from benchmark.models.probes.targets import Transcripts
from benchmark.models.probes.train import train_probe
from benchmark.models.probes.training import Examples
from benchmark.models.probes.units import CHARACTERS
from benchmark.training.report import read_report
from tests.models.probes.conftest import assert_resumes, training

LENGTHS = torch.tensor([9, 4, 7])
CODES = torch.randint(0, 16, (3, 2, 9), generator=torch.Generator().manual_seed(0))
for _row, _length in enumerate(LENGTHS.tolist()):
    CODES[_row, :, _length:] = PADDING
TEXTS = ["ab", "c", "hello there"]


@pytest.fixture
def attention_config(make_config):
    return lambda **changes: AttentionConfig(**asdict(make_config()) | changes)


@pytest.fixture
def probe(make_spec, attention_config) -> AttentionProbe:
    torch.manual_seed(0)
    return AttentionProbe(make_spec((16, 16), frame_rate=25), attention_config(stacking=4)).eval()


def batch_of(texts: list[str]) -> Batch:
    rows = [torch.tensor(encode(text)) for text in texts]
    labels = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    return Batch(CODES, LENGTHS, labels, torch.tensor([len(row) for row in rows]))


def test_the_config_decides_between_ctc_and_attention(make_spec, make_config, attention_config) -> None:
    assert type(make_asr_probe(make_spec(), make_config(), CHARACTERS)) is CTCProbe
    assert type(make_asr_probe(make_spec(), attention_config(), CHARACTERS)) is AttentionProbe


def test_the_encoder_is_the_one_of_ctc(make_spec, make_config, attention_config) -> None:
    ctc, attention = (
        make_asr_probe(make_spec((16, 16)), config, CHARACTERS).state_dict()
        for config in (make_config(layers=2), attention_config(layers=2))
    )
    encoder = {name: weight.shape for name, weight in ctc.items() if not name.startswith("output.")}
    own = {name: weight.shape for name, weight in attention.items() if not name.startswith("output.")}
    assert own == encoder


def test_scores_and_transcripts_do_not_depend_on_company(probe: AttentionProbe) -> None:
    batch = batch_of(TEXTS)
    together, transcripts = probe(CODES, LENGTHS, batch.labels), probe.predict(CODES, LENGTHS)
    noisy = CODES.clone()
    noisy[1, :, 4:] = 7  # whatever lies beyond the length
    torch.testing.assert_close(probe(noisy, LENGTHS, batch.labels), together)
    assert len(set(transcripts)) > 1
    for row, length in enumerate(LENGTHS.tolist()):
        codes, lengths = CODES[row : row + 1, :, :length], LENGTHS[row : row + 1]
        labels = batch.labels[row : row + 1, : batch.label_lengths[row]]
        alone = probe(codes, lengths, labels)
        torch.testing.assert_close(alone[0], together[row, : alone.shape[1]], atol=1e-6, rtol=1e-5)
        assert probe.predict(codes, lengths) == [transcripts[row]]


def test_the_loss_is_the_mean_per_label_and_end(probe: AttentionProbe) -> None:
    batch = batch_of(TEXTS)
    scores = probe(CODES, LENGTHS, batch.labels)
    each = [
        torch.nn.functional.cross_entropy(
            scores[row, : length + 1],
            torch.cat([batch.labels[row, :length], torch.tensor([END])]),
            label_smoothing=probe.config.label_smoothing,
        )
        for row, length in enumerate(batch.label_lengths.tolist())
    ]
    torch.testing.assert_close(probe.loss(batch), torch.stack(each).mean())


def test_a_label_sees_those_before_it_and_no_later_one(probe: AttentionProbe) -> None:
    labels = torch.tensor([encode("hello")])
    other = labels.clone()
    other[0, 3] = encode("z")[0]
    first, second = (probe(CODES[:1], LENGTHS[:1], row)[0] for row in (labels, other))
    torch.testing.assert_close(first[:4], second[:4])
    assert not torch.allclose(first[4], second[4])


def test_greedy_decoding_takes_what_teacher_forcing_would_score_best(probe: AttentionProbe) -> None:
    features, lengths = probe.encode(CODES, LENGTHS)
    for row, emitted in enumerate(probe.output.greedy(features, lengths, torch.full((3,), 6))):
        scores = probe(CODES[row : row + 1], LENGTHS[row : row + 1], torch.tensor([emitted]).long())
        best = scores[0].argmax(-1).tolist()
        assert best[: len(emitted)] == emitted
        assert len(emitted) == 6 or best[len(emitted)] == END


def test_decoding_stops_at_the_end_or_at_each_utterance_s_own_limit(probe: AttentionProbe, make_spec) -> None:
    features, lengths = probe.encode(CODES, LENGTHS)
    with torch.no_grad():
        probe.output.output.bias[END] = -1e4
        rows = probe.output.greedy(features, lengths, torch.tensor([5, 0, 3]))
        assert [len(row) for row in rows] == [5, 0, 3]
        probe.output.output.bias[END] = 1e4
        assert probe.output.greedy(features, lengths, torch.tensor([5, 0, 3])) == [[], [], []]
    config = probe.config
    assert config.max_label_rate == 30
    assert config.most_labels(0.5) == 15
    spec = make_spec((16, 16), frame_rate=25)
    assert can_emit([1] * 12, 10, spec, config)
    assert not can_emit([1] * 13, 10, spec, config)


def test_attention_stays_within_the_utterance() -> None:
    torch.manual_seed(0)
    decoder = AttentionDecoder(6, NUM_LABELS, 8, 4, stacking=3, dropout=0.0)
    frames, lengths = torch.randn(2, 11, 6), torch.tensor([11, 4])
    memory = decoder._remember(frames, lengths)
    assert memory[2].sum(1).tolist() == [4, 2]
    state = decoder._step(torch.zeros(2, 4), decoder._start(*memory), *memory)
    torch.testing.assert_close(state[3].sum(1), torch.ones(2))
    assert state[3][1, 2:].tolist() == [0.0, 0.0]


def test_every_part_learns(probe: AttentionProbe) -> None:
    probe.loss(batch_of(TEXTS)).backward()
    for name, parameter in probe.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_forget_gate_starts_open() -> None:
    cell = AttentionDecoder(6, NUM_LABELS, 8, 4, stacking=3, dropout=0.0).cell
    assert torch.equal((cell.bias_ih + cell.bias_hh)[8:16], torch.ones(8))


WORDS = ("go", "stop", "left", "right", "up", "down")


def spoken(text: str, frames: int = 3) -> np.ndarray:
    """Return codes (1, 3·T) in which every character has its own code, held for three frames."""
    return np.repeat(encode(text), frames)[None]


def sentences(count: int, seed: int) -> dict[str, str]:
    rng = np.random.default_rng(seed)
    return {f"u{seed}-{i:02d}": " ".join(rng.choice(WORDS, rng.integers(2, 4))) for i in range(count)}


@pytest.fixture
def train(make_store, make_spec, attention_config, tmp_path: Path):
    def run(speak=spoken, folder: str = "probe", utterances: int = 8, dev=None, **changes) -> Path:
        texts = sentences(utterances, seed=1)
        dev = dev or texts
        stores = [make_store({key: speak(text) for key, text in split.items()}) for split in (texts, dev)]
        path = tmp_path / folder
        path.mkdir(exist_ok=True)
        config = attention_config(**changes)
        split, other = Examples(stores[0], texts), Examples(stores[1], dev)
        train_probe(Transcripts, training(make_spec(), split, config, path, other))
        answers = transcribe(path, make_spec(), stores[1], list(dev), config, "cpu")
        report = read_report(path)
        wrong = sum(answers[key] != text for key, text in dev.items())
        assert (wrong == 0) == (report["dev"]["wer"] == 0)
        assert infeasible(path, make_spec(), stores[1], dev, config) == report["infeasible"]["dev"]
        return path

    return run


def test_eight_utterances_are_learned_by_heart(train) -> None:
    report = read_report(train(epochs=10))
    assert report["status"] == "ok"
    assert report["dev"] == {"wer": 0.0, "cer": 0.0}


def test_tokens_without_speech_teach_only_the_language_of_the_transcripts(train) -> None:
    rng = np.random.default_rng(0)
    report = read_report(
        train(
            lambda text: rng.integers(0, 40, (1, 3 * len(text))),
            utterances=24,
            dev=sentences(24, seed=2),
            epochs=2,
        )
    )
    assert (report["status"], report["diagnosis"]) == ("ok", "overfitted")


def test_a_transcript_beyond_the_limit_counts_and_is_cut(train) -> None:
    report = read_report(train(epochs=1, steps_per_epoch=1, max_label_rate=10.0))
    assert report["infeasible"] == {"train": 8, "dev": 8}
    assert report["diagnosis"] == "did not learn", "the limit binds answers and not training"


def test_a_killed_training_ends_with_the_same_bits(train, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"epochs": 3, "steps_per_epoch": 3, "dropout": 0.2, "substitution": 0.1}
    assert_resumes(train, AttentionProbe, monkeypatch, dies_in=2, **changes)
