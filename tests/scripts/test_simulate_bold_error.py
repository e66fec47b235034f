"""Error and power of bold numbers, by a small run of the simulation in the documentation."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from benchmark.metrics.statistics.significance import paired_test
from scripts.simulate.bold_error import ADVANTAGE, Setting, shares, tables

TABLES = 200
MOST = binom.ppf(0.999, TABLES, 0.06) / TABLES
"""Share of wrong tables that an error of 6 % exceeds once in a thousand runs."""
SETTINGS = [
    Setting("mean", 6, 0.3),
    Setting("ratio", 10, 1.0),
    Setting("mean", 10, 2.0, mixed=True),
    Setting("ratio", 40, 2.0),
    Setting("mean", 40, None),
]


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_equal_tokenizers_are_rarely_told_apart(setting: Setting) -> None:
    assert max(shares(setting, TABLES, seed=1)) <= MOST


@pytest.mark.parametrize(
    ("setting", "least"), [(Setting("mean", 10, 1.0), 0.8), (Setting("mean", 40, 2.0), 0.4)]
)
def test_a_better_tokenizer_is_found(setting: Setting, least: float) -> None:
    assert shares(replace(setting, advantage=ADVANTAGE), 60, (2,), seed=1)[0] > least


def test_a_test_over_speakers_alone_would_not_do() -> None:
    found = [
        paired_test(first[0].mean(axis=0), second[0].mean(axis=0), draws=499).p_value <= 0.05
        for first, second, *_ in tables(Setting("mean", 40, 2.0), 100, np.random.default_rng(1))
    ]
    assert np.mean(found) > 0.2


def test_training_noise_is_in_standard_errors_by_speakers() -> None:
    noise = 2.0
    for trained, expected in ((Setting("mean", 40, noise), noise), (Setting("mean", 40, None), 0.0)):
        levels, gaps = [], []
        for first, second, *_ in tables(trained, 400, np.random.default_rng(0)):
            rates = [above.sum(axis=1) / below.sum(axis=1) for above, below in (first, second)]
            levels.append(np.ptp(rates[0]))
            gaps.append((first[0] / first[1]).mean(axis=0) - (second[0] / second[1]).mean(axis=0))
        error = np.sqrt(np.var(gaps, axis=1, ddof=1).mean() / 40)
        assert np.mean(levels) == pytest.approx(1.69 * expected * error, rel=0.15)  # range of three
