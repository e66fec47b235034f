"""Reasons why utterances have no score, in the columns `failure` and `abstained` of a table of scores.

A text of these columns joins the reasons of several metrics, "gpe: no frame voiced in both; pesq: …". A
failure without the name of a metric holds for all of them.
"""

from collections.abc import Mapping

import pandas as pd

FAILED, ABSTAINED = "failure", "abstained"
SEPARATOR = "; "


def join_reasons(reasons: Mapping[str, str]) -> str | None:
    """Return the text that joins reasons by metric; None without any."""
    return SEPARATOR.join(f"{metric}: {reason}" for metric, reason in reasons.items()) or None


def reasons_of(frame: pd.DataFrame, metric: str, column: str) -> list[str]:
    """Return the reasons that a column gives for the utterances without a score by a metric."""
    found = []
    for told in frame.loc[frame[metric].isna(), column].dropna() if column in frame else ():
        own = [part for part in told.split(SEPARATOR) if part.startswith(f"{metric}: ")]
        if own or column == FAILED:
            found.append(SEPARATOR.join(part.removeprefix(f"{metric}: ") for part in own) or told)
    return found
