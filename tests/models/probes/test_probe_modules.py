import math
from pathlib import Path

import pytest
import torch
import yaml

from benchmark.models.probes.classifier import UNSEEN, IntentProbe
from benchmark.models.probes.config import ProbeConfig
from benchmark.models.probes.ctc import CTCProbe, greedy_transcripts
from benchmark.models.probes.data import Batch
from benchmark.models.probes.frontend import PADDING
from benchmark.models.probes.module import improves, learning_rate_factor
from benchmark.models.probes.normalize import NUM_LABELS, encode

GROUP = Path(__file__).resolve().parents[3] / "conf" / "probe"

LENGTHS = torch.tensor([9, 4, 6])
CODES = torch.randint(0, 16, (3, 2, 9), generator=torch.Generator().manual_seed(0))
for _row, _length in enumerate(LENGTHS.tolist()):
    CODES[_row, :, _length:] = PADDING
TEXTS = ["ab", "c", "hello there you"]


def batch_of(labels: list[list[int]]) -> Batch:
    padded = torch.nn.utils.rnn.pad_sequence([torch.tensor(item) for item in labels], batch_first=True)
    return Batch(CODES, LENGTHS, padded, torch.tensor([len(item) for item in labels]))


@pytest.fixture
def ctc(make_spec, make_config) -> CTCProbe:
    torch.manual_seed(0)
    return CTCProbe(make_spec((16, 16), frame_rate=25), make_config(layers=2)).eval()


@pytest.fixture
def intent(make_spec, make_config) -> IntentProbe:
    torch.manual_seed(0)
    return IntentProbe(make_spec((16, 16), frame_rate=25), make_config(layers=2), num_intents=5).eval()


def test_ctc_output_is_a_distribution_at_the_upsampled_rate(ctc: CTCProbe) -> None:
    log_probs, lengths = ctc(CODES, LENGTHS)
    assert log_probs.shape == (3, 18, NUM_LABELS)
    assert log_probs.dtype == torch.float32
    assert lengths.tolist() == [18, 8, 12]
    torch.testing.assert_close(log_probs.exp().sum(-1), torch.ones(3, 18))


def test_ctc_loss_is_the_mean_per_character_over_feasible_utterances(ctc: CTCProbe) -> None:
    labels = [encode(text) for text in TEXTS]  # the third needs 16 frames (one for "ll") and has 12
    log_probs, lengths = ctc(CODES, LENGTHS)
    each = [
        torch.nn.functional.ctc_loss(
            log_probs[row : row + 1, : lengths[row]].transpose(0, 1),
            torch.tensor([labels[row]]),
            lengths[row : row + 1],
            torch.tensor([len(labels[row])]),
        )
        for row in range(3)
    ]
    assert each[2].isinf()
    loss = ctc._loss(log_probs, lengths, batch_of(labels))
    torch.testing.assert_close(loss, (each[0] + each[1]) / 3)
    assert loss > 0


def test_greedy_transcripts_end_with_the_utterance() -> None:
    path = torch.tensor([[3, 3, 0, 3, 1, 1, 4, 4], [1, 4, 0, 1, 1, 3, 3, 3]])
    log_probs = torch.nn.functional.one_hot(path, NUM_LABELS).float().log_softmax(-1)
    assert greedy_transcripts(log_probs, torch.tensor([8, 8])) == ["aa b", "b a"]
    assert greedy_transcripts(log_probs, torch.tensor([4, 5])) == ["aa", "b"]


@pytest.mark.parametrize("kind", ["ctc", "intent"])
def test_an_answer_does_not_depend_on_the_batch(kind: str, request: pytest.FixtureRequest) -> None:
    probe = request.getfixturevalue(kind)
    together = probe(CODES, LENGTHS)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = probe(CODES[row : row + 1, :, :length], LENGTHS[row : row + 1])
        if kind == "ctc":
            torch.testing.assert_close(alone[0][0], together[0][row, : 2 * length], atol=1e-6, rtol=1e-5)
        else:
            torch.testing.assert_close(alone[0], together[row], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("table", "combine"),
    [
        (table, combine)
        for table in ("random", "codebook", "shared")
        for combine in ("sum", "concat", "attention")
        if (table, combine) != ("shared", "concat")  # which the config refuses
    ],
)
@pytest.mark.parametrize("kind", ["ctc", "intent"])
def test_no_front_end_lets_company_change_an_answer(
    kind: str, table: str, combine: str, make_spec, make_config
) -> None:
    torch.manual_seed(0)
    config = make_config(combine=combine, layers=2, shared_rows=20 if table == "shared" else None)
    spec = make_spec((16, 16), frame_rate=25)
    table_dim = 10 if table == "codebook" else None
    if kind == "ctc":
        probe = CTCProbe(spec, config, table_dim=table_dim).eval()
    else:
        probe = IntentProbe(spec, config, 5, table_dim).eval()
    if table == "codebook":
        probe.frontend.start_from(torch.randn(2, 16, 10))
    together = probe(CODES, LENGTHS)
    noisy = CODES.clone()
    noisy[1, :, 4:] = 7  # whatever lies beyond the length
    for row, length in enumerate(LENGTHS.tolist()):
        alone = probe(CODES[row : row + 1, :, :length], LENGTHS[row : row + 1])
        beside = probe(noisy, LENGTHS)
        for other in (together, beside):
            if kind == "ctc":
                torch.testing.assert_close(alone[0][0], other[0][row, : 2 * length], atol=1e-6, rtol=1e-5)
            else:
                torch.testing.assert_close(alone[0], other[row], atol=1e-6, rtol=1e-5)


def test_dasb_s_linear_layer_before_the_pooling_is_one_after_it(make_spec, make_config) -> None:
    torch.manual_seed(0)
    probe = IntentProbe(make_spec((16, 16)), make_config(projection_dim=12), 5).eval()
    features, _ = probe.encode(CODES[1:2, :, :4], LENGTHS[1:2])
    before, last = probe.output
    assert last.bias is None
    torch.testing.assert_close(probe(CODES, LENGTHS)[1], last(before(features[0]).mean(0)))


def count(probe: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in probe.parameters() if parameter.requires_grad)


def preset(name: str) -> ProbeConfig:
    settings = yaml.safe_load((GROUP / f"{name}.yaml").read_text())
    return ProbeConfig(**{key: value for key, value in settings.items() if key != "_target_"})


@pytest.mark.parametrize(("books", "millions"), [(1, 44.1), (2, 45.2), (8, 51.5)])
def test_the_dasb_preset_has_the_published_size(books: int, millions: float, make_spec) -> None:
    with torch.device("meta"):
        probe = CTCProbe(make_spec((1024,) * books), preset("asr_dasb"))
    assert round(count(probe) / 1e6, 1) == millions


@pytest.mark.parametrize("suffix", ["", "_mini"])
def test_the_controlled_budget_knows_neither_k_nor_v(suffix: str, make_spec) -> None:
    budgets = []
    for books, size in ((1, 256), (1, 16384), (8, 1024), (32, 256), (32, 16384)):
        spec = make_spec((size,) * books)
        asr, intent = preset(f"asr_controlled{suffix}"), preset(f"intent_controlled{suffix}")
        budgets.append((count(CTCProbe(spec, asr)), count(IntentProbe(spec, intent, 60))))
    assert len(set(budgets)) == 1


def test_pooling_is_the_mean_of_the_frames_of_the_utterance(intent: IntentProbe) -> None:
    features, _ = intent.encode(CODES[1:2, :, :4], LENGTHS[1:2])
    torch.testing.assert_close(intent(CODES, LENGTHS)[1], intent.output(features[0].mean(0)))


def test_dev_error_counts_unseen_intents_and_ranks_by_loss_second(intent: IntentProbe) -> None:
    logged: dict[str, float] = {}
    intent.log = lambda name, value, **_: logged.__setitem__(name, float(value))
    scores = torch.tensor([[3.0, 0, 0, 0, 0], [0, 3.0, 0, 0, 0], [0, 0, 3.0, 0, 0]])
    monitors = []
    for sharpness in (1.0, 0.5):
        intent.on_validation_epoch_start()
        intent._dev.append((scores * sharpness, torch.tensor([1, 1, UNSEEN])))
        intent.on_validation_epoch_end()
        assert logged["dev_error"] == pytest.approx(2 / 3)
        known = torch.nn.functional.cross_entropy(scores[:2] * sharpness, torch.tensor([0, 0]))
        assert logged["dev_loss"] == pytest.approx(known.item())
        monitors.append((logged["dev_loss"], logged[intent.monitor]))
    assert sorted(monitors) == sorted(monitors, key=lambda pair: pair[1]), "of equal errors, the lower loss"
    assert all(2 / 3 < value < 1 for _, value in monitors), "the loss never outweighs an utterance"


def test_gradients_are_clipped_and_their_norm_is_logged(ctc: CTCProbe) -> None:
    logged: dict[str, float] = {}
    ctc.log = lambda name, value, **_: logged.__setitem__(name, float(value))
    for parameter in ctc.parameters():
        parameter.grad = torch.ones_like(parameter)
    ctc.configure_gradient_clipping()
    count = sum(parameter.numel() for parameter in ctc.parameters())
    assert logged["grad_norm"] == pytest.approx(count**0.5, rel=1e-4)
    clipped = sum(parameter.grad.square().sum().item() for parameter in ctc.parameters())
    assert clipped**0.5 == pytest.approx(ctc.config.grad_clip, rel=1e-4)


def test_newbob_anneals_where_the_relative_gain_is_too_small() -> None:
    assert improves(math.inf, 3.0), "there is nothing to compare the first epoch with"
    assert improves(2.0, 1.99)
    assert not improves(2.0, 1.9951)
    assert not improves(2.0, 2.5)
    assert not improves(0.0, 0.0)


def test_learning_rate_rises_and_falls() -> None:
    factors = [learning_rate_factor(step, 10, 100) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[9] == factors[10] == 1.0
    assert factors[55] == pytest.approx(0.5)
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert 0 < factors[-1] < 0.001
