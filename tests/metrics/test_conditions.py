from benchmark.metrics.answers import TranscriptWordErrors
from benchmark.metrics.conditions import CONDITIONS, restricted, under


def test_a_condition_restricts_a_metric() -> None:
    whole = TranscriptWordErrors().facts
    assert under("probe_wer", "self") == "probe_wer/self"
    part = restricted(whole, "cross_gender")
    assert part.label == "Probe WER, cross-gender" and part.unit == whole.unit
    assert part.definition == f"as Probe WER of all pairs, over those with {CONDITIONS['cross_gender'][1]}"
