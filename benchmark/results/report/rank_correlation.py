"""Rank correlation between the columns of a table."""

from itertools import combinations

from scipy.stats import kendalltau, spearmanr

from benchmark.results.report.tables import Table

FEWEST = 3
"""Smallest number of lines for which an order is meaningful."""


def rank_correlations(table: Table) -> list[str]:
    """Describe Spearman's rho and Kendall's tau-b of every two columns in words.

    Lines with a number in both columns count, except floors, which rank last by design. Numbers of trainings
    that did not converge are not ranked. Columns for which higher is better are turned around.
    """
    notes = []
    for first, second in combinations(table.metrics, 2):
        pairs = []
        for line in table.lines:
            cells = line.cells[first], line.cells[second]
            if line.kind != "floor" and all(cell.status == "ok" for cell in cells):
                pairs.append([cell.value for cell in cells])
        labels = " and ".join(table.metrics[metric].label for metric in (first, second))
        if len(pairs) < FEWEST:
            notes.append(f"Ranks by {labels}: {len(pairs)} lines have both, too few to compare.")
            continue
        turned = table.metrics[first].higher_is_better != table.metrics[second].higher_is_better
        sign = -1 if turned else 1
        rho, tau = (sign * test(*zip(*pairs, strict=True)).statistic for test in (spearmanr, kendalltau))
        notes.append(f"Ranks by {labels}: Spearman {rho:.2f}, Kendall {tau:.2f} over {len(pairs)} lines.")
    return notes
