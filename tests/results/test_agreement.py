"""Agreement with a reference on planted folders, and how often an honest run passes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.errors import UserError
from benchmark.results.agreement import agreement
from benchmark.results.report.layouts import shown_as
from benchmark.results.row import Row
from benchmark.results.store import ResultsStore
from benchmark.results.training_spread import Spread, TrainingSpread, is_trained

REFERENCE = Path(__file__).resolve().parents[2] / "results" / "reference"


@pytest.fixture(scope="module")
def probing() -> list[Row]:
    return ResultsStore(REFERENCE / "probing").rows()


@pytest.fixture(scope="module")
def mini() -> list[Row]:
    return ResultsStore(REFERENCE / "mini").rows()


def outcomes(fresh: list[Row], reference: list[Row], spread: TrainingSpread | None = None) -> dict[str, int]:
    found = agreement(fresh, reference, spread or TrainingSpread()).findings
    names = [each.outcome for each in found]
    return {name: names.count(name) for name in dict.fromkeys(names)}


def at_bad_end(row: Row) -> Row:
    """Move a trained number to the worse end of its interval."""
    better = shown_as(row.metric, [row]).higher_is_better
    if not is_trained(row) or better is None or row.lo is None or row.hi is None:
        return row
    return replace(row, value=row.lo if better else row.hi)


def test_a_folder_agrees_with_itself(mini: list[Row], probing: list[Row]) -> None:
    for rows in (mini, probing):
        assert outcomes(rows, rows) == {"equal": len(rows)}
        assert agreement(rows, rows, TrainingSpread()).passes()


def test_numbers_at_the_bad_end_of_their_intervals_disagree(mini: list[Row], probing: list[Row]) -> None:
    """Every bound holds for one number alone in `probing`, and all together do not."""
    moved = agreement([at_bad_end(row) for row in mini], mini, TrainingSpread())
    assert not moved.passes(partial=True)
    assert sum(each.outcome == "unknown" for each in moved.findings) > 90
    known = TrainingSpread.read(REFERENCE / "probing")
    rows = [row for row in probing if known.of(row) is not None or not is_trained(row)]
    moved = agreement([at_bad_end(row) for row in rows], rows, known)
    assert "worse than the reference's" in moved.shifted and not moved.passes()


def test_another_seed_is_within_the_spread(probing: list[Row]) -> None:
    """Compare the second seed with the first, as if it came from another processor."""
    known = TrainingSpread.read(REFERENCE / "probing")
    first, second = (
        [replace(row, seed=0) for row in probing if row.seed == seed and known.of(row)] for seed in (0, 1)
    )
    names = {(row.tokenizer, row.metric) for row in second}
    found = agreement(second, [row for row in first if (row.tokenizer, row.metric) in names], known)
    assert found.passes() and {each.outcome for each in found.findings} == {"equal", "within"}


def test_missing_and_extra_rows_disagree(mini: list[Row]) -> None:
    one_job = [row for row in mini if (row.task, row.tokenizer) == ("codebook_usage", "mel_rvq")]
    some, rest = len(one_job), len(mini) - len(one_job)
    assert some >= 11 and outcomes(one_job, mini) == {"equal": some, "missing": rest}
    found = agreement(one_job, mini, TrainingSpread())
    assert not found.passes() and found.passes(partial=True)
    more = [*mini, *(replace(row, tokenizer="mel_rvq_9") for row in one_job)]
    found = agreement(more, mini, TrainingSpread())
    assert outcomes(more, mini) == {"equal": len(mini), "extra": some} and not found.passes(partial=True)


@pytest.mark.parametrize("change", [{"profile": "paper"}, {"split": "dev"}, {"seed": 7}, {"variant": "dasb"}])
def test_profile_split_seed_and_variant_are_part_of_the_name(mini: list[Row], change) -> None:
    other = [replace(row, **change) for row in mini]
    assert outcomes(other, mini) == {"missing": len(mini), "extra": len(mini)}


def test_what_no_training_stands_behind_must_be_equal(mini: list[Row]) -> None:
    own = next(row for row in mini if (row.decoder, row.metric) == ("own", "pesq"))
    assert own.value is not None and not is_trained(own)

    def told(**changes) -> tuple[str, str]:
        changes |= {"lo": None, "hi": None}
        (found,) = agreement([replace(own, **changes)], [own], TrainingSpread()).findings
        return found.outcome, found.why

    assert told(value=own.value * 1.0002) == ("equal", "")
    assert told(value=own.value * 1.01)[0] == "outside"
    assert "59 scored, 1 failed and not 60, 0" in told(n_scored=59, n_failed=1)[1]
    assert told(status="NC", reason="no")[0] == "outside" == told(definition="another")[0]


def test_a_spread_is_pooled_and_read_again(make_row, tmp_path: Path) -> None:
    values = {"a": (1.0, 2.0, 3.0), "b": (10.0, 14.0, 18.0), "c": (5.0,)}
    rows = [
        make_row(tokenizer=name, seed=seed, value=value, artifacts=[f"probes/{name}{seed}"])
        for name, numbers in values.items()
        for seed, value in enumerate(numbers)
    ]
    TrainingSpread.measure(rows).write(tmp_path)
    known = TrainingSpread.read(tmp_path)
    pooled = ((1.0**2 + 4.0**2) / 2) ** 0.5
    spreads = {row.tokenizer: known.of(row) for row in rows}
    assert spreads["a"] == spreads["c"] == Spread(pytest.approx(pooled), 0.0, 4)
    assert spreads["b"] == Spread(pytest.approx(4.0), 0.0, 4), "its own, which is larger"
    # Student's t for 4 degrees of freedom is 2.776.
    assert Spread(4.0, 0.0, 4).bounds(0.05) == (pytest.approx(2.776 * 4 * 2**0.5, rel=1e-3), 1.0)
    assert known.of(replace(rows[0], profile="paper")) is None
    assert TrainingSpread.measure(rows[:3]).of(rows[0]) is None, "two degrees of freedom are too few"
    assert TrainingSpread.measure([replace(row, artifacts=["codebooks/x"]) for row in rows]).measured == []
    (tmp_path / "spread.json").write_text("[{}]")
    with pytest.raises(UserError, match=r"scripts\.training_spread"):
        TrainingSpread.read(tmp_path)


def simulated(make_row, rng: np.random.Generator, shift: float = 0.0) -> bool:
    """Train eight tokenizers four times, three metrics each; tell whether the fourth agrees."""
    rows, fresh = [], []
    for name in "abcdefgh":
        for metric, better in (("wer", False), ("pesq", True), ("stoi", True)):
            sd = rng.uniform(0.5, 2.0)
            draws = 50 + sd * rng.standard_normal(4)
            shown = {"label": metric, "unit": "", "higher_is_better": better, "decimals": 2, "place": 0}
            common = {"tokenizer": name, "metric": metric, "display": shown}
            for seed, value in enumerate(draws[:3]):
                rows.append(make_row(**common, seed=seed, value=value, artifacts=[f"vocoders/{name}{seed}"]))
            value = draws[3] + (-shift if better else shift) * sd
            fresh.append(make_row(**common, seed=0, value=value, artifacts=[f"vocoders/{name}x"]))
    first = [row for row in rows if row.seed == 0]
    return agreement(fresh, first, TrainingSpread.measure(rows)).passes()


def test_an_honest_run_passes_and_a_shifted_one_does_not(make_row) -> None:
    rng = np.random.default_rng(0)
    assert np.mean([simulated(make_row, rng) for _ in range(60)]) > 0.9
    assert np.mean([simulated(make_row, rng, shift=2.0) for _ in range(60)]) < 0.1
