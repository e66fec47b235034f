"""The published tables on intervals, at a small size: coverage, spreads and smallest differences."""

import numpy as np
import pytest
from scipy.stats import binom, ttest_1samp

from scripts.simulate.coverage import coverage, smallest_difference, spread
from scripts.simulate.designs import DESIGNS, Design

SIMULATIONS = 1000
HARD = [design for design in DESIGNS if "5 % loops" in design.name or "of speakers" in design.name]
EDGE = [design for design in DESIGNS if design.kind == "share"]


def bound(quantile: float, coverage: float) -> float:
    """Return a quantile of the percentage that is found where the interval covers with a probability."""
    return float(100 * binom.ppf(quantile, SIMULATIONS, coverage) / SIMULATIONS)


@pytest.mark.parametrize("speakers", [2, 3, 4, 6, 10, 40])
@pytest.mark.parametrize("design", [d for d in DESIGNS if d not in HARD + EDGE], ids=lambda d: d.name)
def test_intervals_hold_the_truth_as_often_as_they_say(design: Design, speakers: int) -> None:
    assert bound(1e-4, 0.92) <= coverage(design, speakers, SIMULATIONS)[0] <= bound(1 - 1e-4, 0.97)


@pytest.mark.parametrize("speakers", [2, 4, 6, 10, 40])
@pytest.mark.parametrize("design", EDGE, ids=lambda d: d.name)
def test_intervals_of_shares_miss_no_more_often_than_they_say(design: Design, speakers: int) -> None:
    assert (
        coverage(design, speakers, SIMULATIONS)[0] >= 100 * binom.ppf(1e-4, SIMULATIONS, 0.92) / SIMULATIONS
    )


def test_the_smallest_difference_is_found_in_four_of_five_test_sets() -> None:
    least = smallest_difference(2.0, 5.0, speakers=6, utterances=10)
    rng = np.random.default_rng(0)
    gaps = least + rng.normal(0, 2, (4000, 6, 1)) + rng.normal(0, 5, (4000, 6, 10))
    found = (ttest_1samp(gaps.mean(axis=2), 0, axis=1).pvalue < 0.05).mean()
    assert found == pytest.approx(0.8, abs=0.03)
    assert smallest_difference(2.0, 5.0, 37, 10) < least / 2


def test_the_spread_of_the_reference_is_measured() -> None:
    between, within = spread("reconstruction", "pesq")
    assert 0 < within < between < 1
