"""The scenario probe: the survey's intent classification, with rows beside those of the intent probe."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hydra import compose, initialize_config_dir

from benchmark.data.corpora.slurp import FILES, Slurp
from benchmark.jobs.build import build, make_job
from benchmark.jobs.compose import CONF, compose_jobs, open_hydra
from benchmark.models.probes.targets import Scenarios
from benchmark.models.probes.training import Examples, ProbeTraining
from benchmark.results.store import ResultsStore
from benchmark.storage.artifacts import ArtifactStore
from benchmark.tasks.probing.heads import SCENARIOS
from benchmark.tasks.scenario_probe import METRIC, ScenarioProbe
from benchmark.tokenizers.continuous import Continuous
from benchmark.tokenizers.mfcc_kmeans import MfccKmeans
from benchmark.training.config import TrainerConfig

SLURP = {
    *("alarm", "audio", "calendar", "cooking", "datetime", "email", "general", "iot", "lists", "music"),
    *("news", "play", "qa", "recommendation", "social", "takeaway", "transport", "weather"),
}
"""The scenarios in devel.jsonl and test.jsonl of github.com/pswietojanski/slurp."""
ANNOTATIONS = Path(__file__).parents[1] / "data" / "fixtures" / "slurp_devel_scenarios.jsonl"
"""Lines of devel.jsonl at commit 8eb1654 with one recording each, without tokens and entities (CC BY 4.0)."""


KNOWN = {
    "04318-audio-1501756826": "alarm",  # "wake me up at ten"
    "06158-audio-1498565245-headset": "iot",  # "turn on the vacuum"
    "05666-audio-1502310029-headset": "weather",
}
"""Scenarios of recordings, as the fixture has them."""


def test_the_annotations_beside_the_checkout_have_scenarios_of_slurp(
    shared: Path, store: ArtifactStore
) -> None:
    """The data beside the checkout have the real annotations of six intents."""
    corpus = Slurp(name="slurp", root=str(shared / "data" / "slurp-tts"))
    found = {split: set(corpus.manifest(split, store).column("scenario").values()) for split in FILES}
    assert found["train"] == found["dev"] == found["test"] < SLURP
    assert found["train"] == {"calendar", "datetime", "email", "news", "play", "weather"}


def test_published_annotations_of_every_scenario_become_18_classes(
    tmp_path: Path, store: ArtifactStore
) -> None:
    """The fixture holds the first line of each scenario in devel.jsonl, as published."""
    (tmp_path / "dataset" / "slurp").mkdir(parents=True)
    for name in FILES.values():
        shutil.copy(ANNOTATIONS, tmp_path / "dataset" / "slurp" / name)
    (tmp_path / "audio" / "slurp_real").mkdir(parents=True)
    for line in ANNOTATIONS.read_text().splitlines():
        (take,) = json.loads(line)["recordings"]
        soundfile.write(str(tmp_path / "audio" / "slurp_real" / take["file"]), np.zeros(1600), 16_000)
    corpus = Slurp(name="slurp", root=str(tmp_path))
    answers = corpus.manifest("train", store).column("scenario")
    assert set(answers.values()) == SLURP and len(SLURP) == SCENARIOS
    assert {name: answers[name] for name in KNOWN} == KNOWN
    examples = Examples(dict.fromkeys(answers), answers)
    with open_hydra() as hydra:
        (job,) = compose_jobs(hydra, ["task=scenario_probe", "probe=survey"], multirun=False)
    given = {"spec": MfccKmeans(name="m").spec, "config": build(job.intent_probe), "trainer": TrainerConfig()}
    target = Scenarios(ProbeTraining(train=examples, dev=examples, seed=0, folder=tmp_path, **given))
    assert target.known == sorted(SLURP)
    # In alphabetical order "alarm" is the first of the 18 and "weather" the last.
    assert [target.encode(answers[name]) for name in KNOWN] == [[1], [8], [SCENARIOS]]
    labels = [label for answer in answers.values() for label in target.encode(answer)]
    assert sorted(labels) == [*range(1, SCENARIOS + 1)]


@pytest.mark.parametrize("split", FILES)
def test_the_whole_published_annotations_have_18_scenarios(split: str) -> None:
    """A wrong folder in SLURP fails."""
    root = os.environ.get("SLURP", "")
    if not root:
        pytest.skip("SLURP does not name a copy of the SLURP repository")
    assert {row.scenario for row in Slurp(name="slurp", root=root).rows(split, "real")} == SLURP


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
    assert row.decoder == "intent_survey_mini" and row.n_scored == 12
    frame = results.utterances("scenario_probe", "mel_rvq", "synthetic", 0, variant="survey_mini")
    right = frame["prediction"] == frame["reference"]
    assert (
        row.value == pytest.approx(100 * right.mean()) and frame[METRIC].tolist() == (100.0 * right).tolist()
    )
    test = jobs[1].corpus.manifest("test", jobs[1].context.store)
    # No other scenario's sentence has the word.
    reminders = {u.utterance_id for u in test if "reminder" in u.text}
    assert set(frame.loc[frame["reference"] == "reminder", "utterance_id"]) == reminders != set()
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
