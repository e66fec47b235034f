"""The scenario probe: the survey's intent classification, with rows beside those of the intent probe."""

import json
import os
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from benchmark.data.corpora.slurp import FILES, Slurp
from benchmark.errors import UserError
from benchmark.jobs.build import build, make_job
from benchmark.jobs.compose import CONF, compose_jobs, open_hydra
from benchmark.results.store import ResultsStore
from benchmark.storage.artifacts import ArtifactStore
from benchmark.tasks.probing.heads import SCENARIOS
from benchmark.tasks.scenario_probe import METRIC, ScenarioProbe
from benchmark.tokenizers.continuous import Continuous
from benchmark.tokenizers.mfcc_kmeans import MfccKmeans

SLURP = {
    *("alarm", "audio", "calendar", "cooking", "datetime", "email", "general", "iot", "lists", "music"),
    *("news", "play", "qa", "recommendation", "social", "takeaway", "transport", "weather"),
}
"""The scenarios in devel.jsonl and test.jsonl of github.com/pswietojanski/slurp."""


def test_the_annotations_beside_the_checkout_have_scenarios_of_slurp(
    shared: Path, store: ArtifactStore
) -> None:
    """The data beside the checkout have the real annotations of six intents."""
    corpus = Slurp(name="slurp", root=str(shared / "data" / "slurp-tts"))
    found = {split: set(corpus.manifest(split, store).column("scenario").values()) for split in FILES}
    assert found["train"] == found["dev"] == found["test"] < SLURP
    assert found["train"] == {"calendar", "datetime", "email", "news", "play", "weather"}


@pytest.mark.parametrize("split", FILES)
def test_the_published_annotations_have_18_scenarios(split: str) -> None:
    root = os.environ.get("SLURP", "")
    if not root:
        pytest.skip("SLURP does not name a copy of the SLURP repository")
    try:
        rows = Slurp(name="slurp", root=root).rows(split, "real")
    except UserError as error:
        pytest.skip(str(error))
    assert {row.scenario for row in rows} == SLURP and len(SLURP) == SCENARIOS


def test_the_mini_preset_classifies_scenarios_with_rows_of_its_own(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    sweep = ["profile=tutorial", "tokenizer=mel_rvq", "task=intent_probe,scenario_probe", "probe=survey_mini"]
    small = ["tokenizer.codebook_size=16", "intent_probe.epochs=2", "trainer.progress_bar=false"]
    places = [f"paths.cache={tmp_path}/cache", f"paths.results={tmp_path}/results"]
    with open_hydra() as hydra:
        configs = compose_jobs(hydra, [*sweep, *small, *places], multirun=True)
    jobs = [make_job(config) for config in configs]
    for job in jobs:
        job.run()
    results = ResultsStore(jobs[0].results.root)
    rows = {
        task: results.job(task, "mel_rvq", "synthetic", 0, variant="survey_mini")
        for task in ("intent_probe", "scenario_probe")
    }
    names = {task: {row.metric for row in found} for task, found in rows.items()}
    assert names["scenario_probe"] == {METRIC} and METRIC not in names["intent_probe"]
    (row,) = rows["scenario_probe"]
    assert row.decoder == "intent_survey_mini" and row.n_scored == 12 and 0 <= row.value <= 100
    classes = [json.loads(path.read_text()) for path in (tmp_path / "cache" / "probes").rglob("labels.json")]
    assert sorted(map(len, classes)) == [4, 12], "one probe for each target"
    assert ["calendar", "lights", "music", "reminder"] in classes


def test_a_corpus_without_scenarios_has_no_number(voices, context) -> None:
    tokenizer = Continuous(name="mfcc_continuous", base=MfccKmeans(name="mfcc_kmeans"), dimensions=39)
    with initialize_config_dir(str(CONF), version_base="1.3"):
        task = build(compose("config", overrides=["task=scenario_probe"]).task)
    assert isinstance(task, ScenarioProbe)
    outcome = task.run(tokenizer, voices, context)
    assert (outcome.status, outcome.reason, outcome.measures) == ("n/a", "voices has no scenarios", [])
