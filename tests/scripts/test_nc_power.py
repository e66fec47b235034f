"""The verdict's power: weak probes are not NC by chance, and untrained ones are."""

from pathlib import Path

import pytest

from scripts.simulate.nc_power import shares, table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "statistics.md"


@pytest.mark.parametrize("accuracy", [0.20, 0.25])
def test_a_weak_probe_is_never_nc(accuracy: float) -> None:
    found = shares(accuracy, probes=12)
    assert found.nc == 0
    assert found.dev_rule > 10, "which dev alone would say of many"


def test_an_untrained_probe_always_is() -> None:
    assert shares(0.25, probes=8, rate=0.0).nc == 100


def test_the_page_has_a_table_of_this_form() -> None:
    assert "\n".join(table(probes=1)[:2]) in PAGE.read_text(encoding="utf-8")
