"""Standard error of a difference when both the speakers and the trainings are drawn by chance.

The speakers are shared: every seed of either system is scored on all of them. The seeds belong to one system
each. Readers and cases of diagnostic imaging are drawn alike, and the error here is the one of that field for
readers nested in tests (Hillis 2014, A Marginal-Mean ANOVA Approach for Analyzing Multireader Multicase
Radiological Imaging Data).
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtr, stdtrit

LEVEL = 0.05
"""Largest p-value of a significant difference; intervals hold the differences that have larger ones."""
Sums = tuple[np.ndarray, np.ndarray]
"""Numerators and denominators of one system, summed over clusters: (S, C) each for S seeds."""


@dataclass(frozen=True)
class CrossedError:
    """Standard error of a difference, in two parts with degrees of freedom of their own.

    A t test needs one number of degrees of freedom. Satterthwaite's approximation takes it from the estimated
    parts, and rejects too often when the seeds of one system, two degrees of freedom, are most of the error.
    Here each part is referred to its own t distribution, and the p-values are averaged with the parts as
    weights, as Cochran (1964, Approximate Significance Levels of the Behrens-Fisher Test) averages quantiles.
    """

    variances: tuple[float, float]
    """Squares of the standard errors by clusters and by seeds; NaN by clusters if there is only one."""
    freedom: tuple[float, float]

    @property
    def standard_error(self) -> float:
        """The error of both parts."""
        return float(sum(self.variances) ** 0.5)

    def p_value(self, difference: float) -> float:
        """Return the two-sided p-value of a difference; 1 without a standard error."""
        total = sum(self.variances)
        if not total > 0:
            return float(total != 0 or difference == 0)
        each = 2 * stdtr(self.freedom, -abs(difference) / total**0.5)
        return float(np.dot(self.variances, each) / total)

    @property
    def half_width(self) -> float:
        """Smallest difference with a p-value of 5 %: half of the width of a 95 % interval."""
        total = self.standard_error
        if not total > 0:
            return total
        widest = total * stdtrit(min(self.freedom), 1 - LEVEL / 2)
        return float(brentq(lambda width: self.p_value(width) - LEVEL, 0, widest * (1 + 1e-6)))


def crossed_error(first: Sums, second: Sums) -> CrossedError:
    """Return the standard error of the difference between two systems' means over seeds.

    The error has a part by seeds and a part by clusters. The first is each system's variance over its seeds,
    divided by their number; these are independent draws, so that their degrees of freedom are those of
    Welch's test. A system with one seed, or whose seeds are all equal, adds nothing. The second is the
    variance of the paired difference. Noise of single utterances is in both, and would count twice: its
    estimate, the interaction of seeds and clusters, is taken off the part by clusters, down to zero. Ratios
    are linearised (Taylor series).
    """
    n_clusters = first[0].shape[1]
    if n_clusters < 2:
        return CrossedError((float("nan"), 0.0), (1.0, 1.0))
    shares = [_linearised(*sums) for sums in (first, second)]
    by_clusters = float((shares[0].mean(axis=0) - shares[1].mean(axis=0)).var(ddof=1)) / n_clusters
    by_seeds, spread = 0.0, 0.0
    for (above, below), each in zip((first, second), shares, strict=True):
        n_seeds = len(above)
        if n_seeds == 1:
            continue
        own = float((above.sum(axis=1) / below.sum(axis=1)).var(ddof=1)) / n_seeds
        by_seeds, spread = by_seeds + own, spread + own**2 / (n_seeds - 1)
        interaction = ((each - each.mean(axis=0)) ** 2).sum() / ((n_seeds - 1) * (n_clusters - 1))
        by_clusters -= float(interaction) / (n_seeds * n_clusters)
    freedom = by_seeds**2 / spread if spread else 1.0
    return CrossedError((max(by_clusters, 0.0), by_seeds), (n_clusters - 1.0, freedom))


def _linearised(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Return what each cluster adds to each seed's ratio, scaled so that its mean over clusters is zero.

    For a mean with equally many utterances per cluster, that is the cluster's mean minus the mean, (S, C).
    """
    total = below.sum(axis=1, keepdims=True)
    return (above - above.sum(axis=1, keepdims=True) / total * below) * (below.shape[1] / total)
