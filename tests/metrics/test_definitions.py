import pytest

from benchmark.metrics.definitions import CONDITIONS, DEFINITIONS, restricted, under


@pytest.mark.parametrize("name", DEFINITIONS)
def test_every_definition_is_complete(name: str) -> None:
    definition = DEFINITIONS[name]
    assert definition.label and len(definition.definition) > 15
    assert 0 <= definition.decimals <= 4


def test_a_condition_restricts_a_metric() -> None:
    whole = DEFINITIONS["probe_wer"]
    assert under("probe_wer", "self") == "probe_wer/self"
    part = restricted(whole, "cross_gender")
    assert part.label == "Probe WER, cross-gender" and part.unit == whole.unit
    assert part.definition == f"as Probe WER of all pairs, over those with {CONDITIONS['cross_gender'][1]}"
