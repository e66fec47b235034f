"""What each number means: every metric's yaml on the page, and the page the committed one."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmark.jobs.catalogue import metrics as metric_sheet
from benchmark.jobs.catalogue.metrics import FILE, configured, page
from benchmark.jobs.compose import compose, open_hydra
from benchmark.metrics.base import TASKS
from benchmark.metrics.definitions import DEFINITIONS
from benchmark.results.store import NAME
from tests.door import door

ROOT = Path(__file__).resolve().parents[2]
YAMLS = {path.stem for path in (ROOT / "conf" / "metric").glob("*.yaml")}


@pytest.fixture(scope="module")
def found() -> Any:
    return configured()


def test_every_yaml_is_a_metric_or_a_set(found: Any) -> None:
    metrics, presets, _ = found
    assert metrics.keys() | presets.keys() == YAMLS and not metrics.keys() & presets.keys()
    assert {"survey", "versa", "codec_superb", "dnsmos"} == presets.keys()
    for name, entry in metrics.items():
        metric = entry.metric
        assert NAME.fullmatch(name) and "__" not in name  # a column, and part of file names
        assert len(metric.definition) > 15 and not metric.definition.endswith(".")
        assert set(metric.tasks) <= set(TASKS) and metric.label and 0 <= metric.decimals <= 4
        assert (type(metric).__doc__ or "").strip()


def test_a_set_holds_each_task_and_each_label_once(found: Any) -> None:
    metrics, presets, _ = found
    for names in presets.values():
        for task in TASKS:
            labels = [metrics[name].metric.label for name in names if task in metrics[name].metric.tasks]
            assert len(set(labels)) == len(labels)
    survey = [metrics[name].metric for name in presets["survey"]]
    assert all(any(task in metric.tasks for metric in survey) for task in TASKS)
    assert not {metric.label for metric in survey} & {d.label for d in DEFINITIONS.values()}


def test_the_page_has_every_metric_with_its_sentence(found: Any) -> None:
    metrics, presets, _ = found
    text = page(metrics, presets)
    for name, entry in metrics.items():
        assert f"### `{name}`: {entry.metric.label}" in text and entry.metric.definition in text
    for definition in DEFINITIONS.values():
        assert definition.definition in text
    assert "- `metric=versa`: `versa_mcd`" in text
    other = replace(metrics["gpe"].metric, threshold=0.1)
    changed = page(metrics | {"gpe": replace(metrics["gpe"], metric=other)}, presets)
    assert "off by more than 10 %" in changed and "off by more than 10 %" not in text


def test_the_committed_page_is_that_of_the_yamls(found: Any) -> None:
    metrics, presets, _ = found
    assert (ROOT / "results" / FILE).read_text(encoding="utf-8") == page(metrics, presets), (
        "run `make metrics` and commit the file"
    )


def test_it_is_printed_and_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, found: Any
) -> None:
    metrics, presets, _ = found
    monkeypatch.setattr(metric_sheet, "configured", lambda: (metrics, presets, tmp_path))
    assert door("catalogue", ["metrics"]) == 0
    assert capsys.readouterr().out == (tmp_path / FILE).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("override", "names"),
    [
        ("metric=pesq", ["pesq"]),
        ("metric=[estoi,si_sdr]", ["estoi", "si_sdr"]),
        ("metric=[dnsmos,wer]", ["dnsmos_p808", "dnsmos_sig", "dnsmos_bak", "dnsmos_ovrl", "wer"]),
    ],
)
def test_metrics_are_chosen_as_groups_are(override: str, names: list[str]) -> None:
    with open_hydra() as hydra:
        assert list(compose(hydra, [override]).metric) == names


def test_keys_tell_parameters_apart_and_nothing_else(found: Any) -> None:
    metric = found[0]["gpe"].metric
    assert replace(metric, label="x", tasks=["voice_conversion"]).key == metric.key
    assert replace(metric, threshold=0.1).key != metric.key
    assert replace(metric, extractor=replace(metric.extractor, floor=71.0)).key != metric.key
    assert replace(metric, alignment="cut").key != metric.key


def test_worker_processes_start_light() -> None:
    """A worker that had to import torch would take seconds before its first score."""
    code = (
        "import sys, benchmark.metrics.evaluation.worker_pool\n"
        "import benchmark.metrics.perceptual, benchmark.metrics.stoi\n"
        "import benchmark.metrics.pitch, benchmark.metrics.spectral, benchmark.metrics.cepstral\n"
        "print([name for name in ('torch', 'transformers', 'librosa', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
