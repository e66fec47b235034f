"""Trainings behind a number: what counts as one, and how many are enough."""

from pathlib import Path

import pytest
import yaml

from benchmark.jobs.stages import ENCODED
from benchmark.results.store import ResultsStore
from benchmark.results.trainings import TRAINED, too_few, trainings
from benchmark.tasks.base import Task

ROOT = Path(__file__).resolve().parents[2]


def rows(make_row, *artifacts):
    return [make_row(seed=seed, artifacts=list(each)) for seed, each in enumerate(artifacts)]


@pytest.mark.parametrize(
    ("artifacts", "count"),
    [
        ([["tokens/a", "resynthesis/a", "manifests/a"]], 0),  # published weights with a decoder of their own
        ([["tokens/a", "vocoders/a"]], 1),
        ([["codebooks/a", "tokens/a"], ["codebooks/b", "tokens/b"]], 2),
        ([["tokens/a", "probes/a"], ["tokens/a", "probes/b"], ["tokens/a", "probes/c"]], 3),
        ([["codebooks/a", "vocoders/a"], ["codebooks/a", "vocoders/b"]], 2),
        ([["vocoders/a"], ["vocoders/a"], ["vocoders/a"]], 1),
        ([["tokens/a"]] * 3, 0),
    ],
)
def test_trainings_are_told_by_their_artifacts(make_row, artifacts, count):
    assert trainings(rows(make_row, *artifacts)) == count


def test_one_number_with_too_few_is_enough_to_say_so(make_row):
    none, one, two, three = (rows(make_row, *([f"probes/{n}"] for n in range(count))) for count in range(4))
    none = rows(make_row, ["tokens/a"])
    assert too_few([none, none]) == too_few([none, three]) == ""
    assert too_few([three, two, none]).startswith("2 training seeds: the tests would tell of these")
    assert too_few([three, two, one]).startswith("one training seed: ")


def test_every_kind_that_a_task_trains_counts_as_a_training():
    def family(cls):
        return {cls}.union(*(family(each) for each in cls.__subclasses__()))

    for path in (ROOT / "conf" / "task").glob("*.yaml"):
        target = yaml.safe_load(path.read_text())["_target_"]
        __import__(target.rpartition(".")[0])
    ours = [task for task in family(Task) if task.__module__.startswith("benchmark.")]
    kinds = {kind for task in ours for kind in task.produces}
    assert kinds | set(ENCODED) - {"tokens"} == TRAINED


def test_rows_of_the_reference_are_told_apart():
    counts = {}
    for row in ResultsStore(ROOT / "results" / "reference" / "mini").rows():
        if row.status == "ok":
            counts.setdefault(row.tokenizer, set()).add(trainings([row]))
    assert counts["ground_truth"] == {0}
    assert counts["opus_6k"] == {0, 1}  # its own decoder, and probes
    assert counts["mel_rvq"] == counts["whisper_kmeans"] == {1}
