"""Presets that reproduce another benchmark's numbers, compared with that benchmark's definitions in code."""

from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
import pesq
import pystoi
import pytest
import pyworld
from omegaconf import OmegaConf
from scipy.signal import firwin, lfilter, resample_poly

from benchmark.errors import UserError
from benchmark.extractors.asr.wav2vec2_ctc import Ctc
from benchmark.extractors.speaker.wavlm_ecapa import WavlmEcapa
from benchmark.jobs.build import build
from benchmark.jobs.compose import compose, compose_jobs, open_hydra
from benchmark.metrics.base import Metric, MetricUndefined
from benchmark.metrics.praat import ContourCorrelation, Praat
from benchmark.metrics.signal_pair import Pair
from benchmark.metrics.stoi import Stoi
from benchmark.results.published.names import read_counterparts

CONF = Path(__file__).resolve().parents[2] / "conf" / "metric"

Coded = list[tuple[np.ndarray, np.ndarray]]
Named = Callable[[str], Metric]


def versa_features(wav: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute F0 and mel-cepstra as VERSA's mcd_f0 does."""
    pysptk = pytest.importorskip("pysptk")
    samples = lfilter(firwin(255, 70 / 8000, pass_zero=False), 1, wav.astype(np.float64) * 32767)
    f0, times = pyworld.harvest(samples, 16_000, f0_floor=40, f0_ceil=800, frame_period=5)
    return f0, pysptk.sp2mc(pyworld.cheaptrick(samples, f0, times, 16_000, fft_size=1024), 39, 0.466)


def test_versa_is_versa(metric: Named, coded: Coded) -> None:
    for wav, decoded in ((wav[4000:28_000], decoded[4000:28_000]) for wav, decoded in coded[2:]):
        original, other = versa_features(wav), versa_features(decoded)
        expected = {
            "versa_mcd": 10 / np.log(10) * np.sqrt(2 * np.square(original[1] - other[1]).sum(1)).mean(),
            "versa_f0_rmse": np.sqrt(np.square(original[0] - other[0]).mean()),
            "versa_f0_corr": np.corrcoef(original[0], other[0])[0, 1],
            "versa_pesq": pesq.pesq(16_000, wav, decoded, "wb"),
            "versa_stoi": pystoi.stoi(wav, decoded, 16_000),
        }
        pair = Pair("a", wav, decoded)
        found = {name: metric(name).score(pair) for name in expected}
        assert found == pytest.approx(expected, abs=1e-4)
        # The expensive pass over each signal is made once.
        assert sum("cut" in key or side == "reference" for side, key in pair.given) == 3


def test_stoi_of_versa_and_the_survey_removes_no_delay(metric: Named, coded: Coded) -> None:
    wav = coded[0][0]
    late = np.concatenate([np.zeros(160, np.float32), wav[:-160]])  # 10 ms
    found, aligned = (metric(name).score(Pair("a", wav, late)) for name in ("versa_stoi", "stoi"))
    assert found == pytest.approx(pystoi.stoi(wav, late, 16_000), abs=1e-4)
    assert found < 0.9 < 0.99 < aligned


def superb_contour(wav: np.ndarray, rate: int) -> np.ndarray:
    parselmouth = pytest.importorskip("parselmouth")
    pitch = parselmouth.Sound(wav.astype(np.float64), rate).to_pitch_ac(
        time_step=256 / rate, voicing_threshold=0.6, pitch_floor=50, pitch_ceiling=1100
    )
    voiced = pitch.selected_array["frequency"]
    cents = 1200 * np.log2(voiced[voiced != 0] / 440)
    return cents - np.median(cents)


@pytest.mark.parametrize("rate", [22_050, 16_000])
def test_codec_superb_f0_corr_is_that_of_codec_superb(metric: Named, coded: Coded, rate: int) -> None:
    shipped = metric("codec_superb_f0_corr")
    true = ContourCorrelation(extractor=Praat(assumed_sample_rate=rate), alignment="pad")
    for wav, decoded in coded:
        first, second = superb_contour(wav, rate), superb_contour(decoded, rate)
        _, path = librosa.sequence.dtw(first, second, backtrack=True)
        expected = np.corrcoef(first[path[:, 0]], second[path[:, 1]])[0, 1]
        pair = Pair("a", wav, decoded)
        assert true.score(pair) == pytest.approx(expected, abs=1e-6)
        assert (shipped.key == true.key) == (rate == 22_050)


def test_codec_superb_stoi_is_that_of_codec_superb(metric: Named, coded: Coded) -> None:
    for wav, decoded in coded:
        found = metric("codec_superb_stoi").score(Pair("a", wav, decoded))
        assert found == pytest.approx(superb_stoi(wav, decoded), abs=2e-6)
        assert found != pytest.approx(Stoi(alignment="pad").score(Pair("a", wav, decoded)), abs=2e-6)


def superb_stoi(reference: np.ndarray, decoded: np.ndarray) -> float:
    """Compute STOI as Codec-SUPERB does: SciPy's filter to 10 kHz, silence judged one sample earlier."""
    first, second = (resample_poly(wav, 5, 8).astype(np.float64) for wav in (reference, decoded))
    window = np.hanning(258)[1:-1]
    starts = np.arange(0, len(first) - 256, 128)
    early = np.array([first[np.arange(start - 1, start + 255)] * window for start in starts])
    level = 20 * np.log10(np.linalg.norm(early, axis=1) / 16 + 1e-10)
    kept = starts[level > level.max() - 40]
    joined = np.zeros((2, (len(kept) - 1) * 128 + 256))
    for number, start in enumerate(kept):
        for row, wav in zip(joined, (first, second), strict=True):
            row[number * 128 : number * 128 + 256] += wav[start : start + 256] * window
    octaves = pystoi.utils.thirdoct(10_000, 512, 15, 150)[0]
    bands = []
    for row in joined:
        parts = np.array([row[s : s + 256] * window for s in range(0, len(row) - 256, 128)])
        bands.append(np.sqrt(octaves @ np.square(np.abs(np.fft.rfft(parts, 512))).T))
    scores = []
    for end in range(30, bands[0].shape[1] + 1):
        x, y = (band[:, end - 30 : end] for band in bands)
        y = np.minimum(y * np.sqrt((x**2).sum(1) / (y**2).sum(1))[:, None], x * (1 + 10 ** (15 / 20)))
        scores += [np.corrcoef(a, b)[0, 1] for a, b in zip(x, y, strict=True)]
    return float(np.clip(np.mean(scores), 0, 1))


def test_codec_papers_signal_metrics_are_their_scripts(metric: Named, coded: Coded) -> None:
    for wav, decoded in coded[1:3]:
        shorter = decoded[:-500]  # no delay is removed, and both are cut to the shorter
        first = wav[: len(shorter)]
        expected = {
            "codec_paper_pesq_nb": pesq.pesq(16_000, first, shorter, "nb"),
            "codec_paper_pesq_wb": pesq.pesq(16_000, first, shorter, "wb"),
            "codec_paper_stoi": pystoi.stoi(first, shorter, 16_000),
        }
        found = {name: metric(name).score(Pair("a", wav, shorter)) for name in expected}
        assert found == pytest.approx(expected, abs=1e-4)


def test_codec_papers_have_the_listener_and_the_voices_of_llasa() -> None:
    with open_hydra() as hydra:
        chosen = compose(hydra, ["metric=codec_paper"]).metric
        (job, *others) = compose_jobs(hydra, ["experiment=codec_paper"], multirun=False)
    metrics = {str(name): build(node) for name, node in chosen.items()}
    columns = ("wer", "stoi", "pesq_nb", "pesq_wb", "utmos", "sim")
    assert list(metrics) == [f"codec_paper_{name}" for name in columns]
    assert all("(codec papers)" in metric.label for metric in metrics.values())
    wer, sim = metrics["codec_paper_wer"], metrics["codec_paper_sim"]
    assert wer.asr.checkpoint == "facebook/hubert-large-ls960-ft" and isinstance(wer.asr, Ctc)
    assert (wer.normaliser, wer.against) == ("whisper_english", "text")
    assert isinstance(sim.encoder, WavlmEcapa) and sim.against == "reference"
    assert job.metric == chosen and job.profile_name == "codec_paper" and job.limit is None
    assert {tuple(other.dataset.splits.test) for other in (job, *others)} == {("test-clean",)}
    names = [other.tokenizer.name for other in (job, *others)]
    printed = {
        (source, counterpart.config)
        for (source, *_), counterpart in read_counterparts().items()
        if source in ("llasa", "focalcodec", "moss") and counterpart.config
    }
    assert {source for source, _ in printed} == {"llasa", "focalcodec", "moss"}
    assert {config for _, config in printed} | {"opus_6k"} == set(names) and len(names) == len(set(names))


@pytest.mark.parametrize("preset", ["versa", "codec_superb"])
def test_a_preset_lists_all_of_its_peers_metrics_with_the_peer_in_the_label(
    metric: Named, preset: str
) -> None:
    listed = OmegaConf.load(CONF / f"{preset}.yaml").defaults
    assert list(listed) and set(listed) == {f"{preset}/{p.stem}" for p in (CONF / preset).glob("*.yaml")}
    alignment = {"versa": "cut", "codec_superb": "pad"}[preset]
    peer = {"versa": "VERSA", "codec_superb": "Codec-SUPERB"}[preset]
    for name in (option.replace("/", "_") for option in listed):
        assert f"({peer})" in metric(name).label
        assert metric(name).alignment == alignment  # type: ignore[attr-defined]


def test_contour_correlation_is_blind_to_register(synthetic: np.ndarray) -> None:
    pytest.importorskip("parselmouth")
    metric = ContourCorrelation(alignment="cut")
    found = Praat().extract(synthetic)
    assert 0.2 < (found > 0).mean() < 0.9 and found.shape[1] == 1
    given = {
        ("reference", metric.extractor.key): found,
        ("decoded", f"{metric.extractor.key} cut"): 2 * found,
    }
    assert metric.score(Pair("a", synthetic, synthetic, given=given)) == pytest.approx(1.0)


def test_contour_correlation_without_pitch_is_undefined(synthetic: np.ndarray, noise: np.ndarray) -> None:
    pytest.importorskip("parselmouth")
    whisper = noise[: len(synthetic)] * 0.01
    with pytest.raises(MetricUndefined, match="voiced"):
        ContourCorrelation().score(Pair("a", whisper, whisper))
    with pytest.raises(ValueError, match="minimum pitch"):
        Praat().extract(synthetic[:300])
    with pytest.raises(ValueError, match="NaN"):
        Praat().extract(np.full(16_000, np.nan, np.float32))


def test_without_its_library_praat_names_the_extra(metric: Named, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmark.extractors.libraries.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"parselmouth.*speech-token-benchmark\[praat\]"):
        _ = metric("codec_superb_f0_corr").key
    assert "22050" in metric("codec_superb_f0_corr").definition  # which can be read without it
