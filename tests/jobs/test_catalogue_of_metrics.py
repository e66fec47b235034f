"""Tests that the page of metrics covers every yaml, and that the committed page is the generated one."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmark.jobs.catalogue import metrics as metric_sheet
from benchmark.jobs.catalogue.metrics import Catalogue, configured, page
from benchmark.jobs.compose import compose, open_hydra
from benchmark.results.store import NAME
from tests.door import door

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf" / "metric"
YAMLS = {"_".join(path.relative_to(CONF).with_suffix("").parts) for path in CONF.rglob("*.yaml")}
SHEET = ROOT / "docs" / "reference" / "metrics.md"
SCORING = ("reconstruction", "voice_conversion")


@pytest.fixture(scope="module")
def found() -> Catalogue:
    return configured()


def test_every_yaml_is_a_metric_or_a_set(found: Catalogue) -> None:
    metrics, presets = found.metrics, found.presets
    assert metrics.keys() | presets.keys() == YAMLS and not metrics.keys() & presets.keys()
    assert {"survey", "versa", "codec_superb", "codec_paper", "survey_published", "dnsmos"} == presets.keys()
    for name, entry in metrics.items():
        metric = entry.metric
        assert NAME.fullmatch(name) and "__" not in name  # a column, and part of file names
        assert len(metric.definition) > 15 and not metric.definition.endswith(".")
        assert metric.label and 0 <= metric.decimals <= 4
        # Names in `tasks` are open, so that a misspelled one would only leave the metric out.
        assert entry.tasks and set(metric.tasks) <= set(entry.tasks)
        assert (type(metric).__doc__ or "").strip()


def test_a_set_holds_each_task_and_each_label_once(found: Catalogue) -> None:
    metrics, presets = found.metrics, found.presets
    for names in presets.values():
        for task in SCORING:
            labels = [metrics[name].metric.label for name in names if task in metrics[name].tasks]
            assert len(set(labels)) == len(labels)
    survey = [metrics[name] for name in presets["survey"]]
    assert all(any(task in entry.tasks for entry in survey) for task in SCORING)
    assert not {entry.metric.label for entry in survey} & {facts.label for facts in found.fixed.values()}


def test_the_page_has_every_metric_with_its_sentence(found: Catalogue) -> None:
    metrics = found.metrics
    text = page(found)
    for name, entry in metrics.items():
        assert f"### `{name}`: {entry.metric.label}" in text and entry.metric.definition in text
    assert len(found.fixed) >= 35
    for facts in found.fixed.values():
        assert facts.definition in text
    assert "- `metric=versa`: `versa_mcd`" in text and "Alone: `metric=versa/mcd`." in text
    other = replace(metrics["gpe"].metric, threshold=0.1)
    changed = page(replace(found, metrics={**metrics, "gpe": replace(metrics["gpe"], metric=other)}))
    assert "off by more than 10 %" in changed and "off by more than 10 %" not in text


def test_the_committed_page_is_that_of_the_yamls(found: Catalogue) -> None:
    assert SHEET.read_text(encoding="utf-8") == page(found), "run `make sheets` and commit the file"


def test_the_page_is_printed_and_written_only_on_request(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, found: Catalogue
) -> None:
    monkeypatch.setattr(metric_sheet, "configured", lambda: found)
    monkeypatch.chdir(tmp_path)
    assert door("catalogue", ["metrics"]) == 0
    printed = capsys.readouterr().out
    assert printed == page(found) and not list(tmp_path.iterdir())
    assert door("catalogue", ["metrics", "--out", "sheets/metrics.md"]) == 0
    assert capsys.readouterr().out == "sheets/metrics.md\n"
    assert (tmp_path / "sheets/metrics.md").read_text(encoding="utf-8") == printed


@pytest.mark.parametrize(
    ("override", "names"),
    [
        ("metric=pesq", ["pesq"]),
        ("metric=[estoi,si_sdr]", ["estoi", "si_sdr"]),
        ("metric=versa/pesq", ["versa_pesq"]),
        ("metric=[pesq,codec_superb/pesq]", ["pesq", "codec_superb_pesq"]),
        ("metric=[dnsmos,wer]", ["dnsmos_p808", "dnsmos_sig", "dnsmos_bak", "dnsmos_ovrl", "wer"]),
    ],
)
def test_metrics_are_chosen_as_groups_are(override: str, names: list[str]) -> None:
    with open_hydra() as hydra:
        assert list(compose(hydra, [override]).metric) == names


def test_keys_tell_parameters_apart_and_nothing_else(found: Catalogue) -> None:
    metric = found.metrics["gpe"].metric
    assert replace(metric, label="x", tasks=["voice_conversion"]).key == metric.key
    assert replace(metric, threshold=0.1).key != metric.key
    assert replace(metric, extractor=replace(metric.extractor, floor=71.0)).key != metric.key
    assert replace(metric, alignment="cut").key != metric.key


def test_worker_processes_start_light() -> None:
    """Importing torch would delay the first score of a worker by seconds."""
    code = (
        "import sys, benchmark.metrics.evaluation.worker_pool\n"
        "import benchmark.metrics.perceptual, benchmark.metrics.stoi\n"
        "import benchmark.metrics.pitch, benchmark.metrics.spectral, benchmark.metrics.cepstral\n"
        "print([name for name in ('torch', 'transformers', 'librosa', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
