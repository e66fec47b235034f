import pytest

from benchmark.metrics import alignment, pitch, pool, spectral
from benchmark.metrics.definitions import DEFINITIONS


@pytest.mark.parametrize("name", DEFINITIONS)
def test_every_definition_is_complete(name: str) -> None:
    definition = DEFINITIONS[name]
    assert definition.label and len(definition.definition) > 15
    assert 0 <= definition.decimals <= 4


def test_definitions_state_the_constants_in_use() -> None:
    for name in ("gpe", "vde", "p_corr"):
        text = DEFINITIONS[name].definition
        assert f"{pitch.F0_FLOOR:g}–{pitch.F0_CEILING:g} Hz, {pitch.FRAME_PERIOD:g} ms" in text
        assert pitch.EXTRACTOR["name"] in text
    assert f"{100 * pitch.GROSS_ERROR:g} %" in DEFINITIONS["gpe"].definition
    assert f"at least {pitch.MIN_VOICED_FRAMES}" in DEFINITIONS["p_corr"].definition
    mel = DEFINITIONS["mel_distance"].definition
    assert f"FFT {spectral.N_FFT}, hop {spectral.HOP_LENGTH}, {spectral.N_MELS} Slaney" in mel
    assert f"{spectral.F_MIN:g}–{spectral.F_MAX:g} Hz, floor 1e-5" in mel and spectral.FLOOR == 1e-5
    assert f"±{alignment.MAX_DELAY // 16} ms" in DEFINITIONS["pesq"].definition


def test_signal_metrics_are_defined() -> None:
    assert {*pool.WAVEFORM_METRICS, *pool.PITCH_METRICS, "delay"} <= DEFINITIONS.keys()
