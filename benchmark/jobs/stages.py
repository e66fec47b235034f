"""Stages of a job, divided at stored artifacts, so that each stage can run on the machine that suits it.

Codes are made on many cores, vocoders and probes are trained on GPUs, and speech is scored on cores again. A
stage waits for the artifacts of earlier stages and never makes them itself; `stage=all` makes every missing
artifact.
"""

import logging
from collections.abc import Sequence

from benchmark.errors import UserError, unknown
from benchmark.jobs.job import Job
from benchmark.storage.shards import Part
from benchmark.tokenizers.encoding.encode import encode_manifest, encode_part
from benchmark.training.process_group import ProcessGroup

log = logging.getLogger(__name__)

STAGES = ("all", "encode", "train", "score")
ENCODED = ("codebooks", "tokens")
"""Kinds of artifacts that `stage=encode` makes; a task declares the kinds that `stage=train` makes."""


def awaited(stage: str, produces: Sequence[str]) -> tuple[str, ...]:
    """Return the kinds of artifacts that a stage waits for.

    Args:
        stage: One of `STAGES`.
        produces: Kinds of artifacts that the task trains, see `Task.produces`.

    Raises: UserError if `stage` is not one of `STAGES`.
    """
    if stage not in STAGES:
        raise unknown("stage", stage, STAGES)
    if stage == "score":
        return (*ENCODED, *produces)
    return ENCODED if stage == "train" else ()


def run_stage(job: Job, stage: str, part: str | None) -> None:
    """Run a job or one of its stages.

    "all", and "score" without `part`, write the rows of the job. Any other stage or part leaves its artifacts
    in the store and writes no rows.

    Args:
        job: Job to run; nothing is done if its rows exist already.
        stage: One of `STAGES`.
        part: Text such as "3/16", for the third of sixteen equal parts of the utterances to encode or to
            score; None for all utterances.

    Raises: UserError for another stage or part, or if a corpus folder or a model is missing.
    """
    awaited(stage, job.task.produces)
    own = None if part is None else Part.parse(str(part))
    if own is not None and stage not in ("encode", "score"):
        raise UserError(f"part={own} divides stage=encode and stage=score, not stage={stage}")
    if stage == "all" or (stage == "score" and own is None):
        job.run()
        return
    piece = f"stage {stage}, part {own}" if own else f"stage {stage}"
    try:
        with job.writing():
            if job.is_done(job.key(), job.metric_keys()):
                log.info("done already: %s", job.label)
                return
            _run_piece(job, stage, own)
    except Exception as error:  # a sweep goes on, and reports the error at its end
        log.error("failed: %s: %s: %s", piece, job.label, error)
        raise
    log.info("%s is done: %s", piece, job.label)


def join_stage(job: Job, group: ProcessGroup) -> None:
    """Take part in the trainings of a job or a stage that rank 0 runs."""
    group.messages.hear(job.label)
    with job.writing():
        job.task.train(job.fitted_tokenizer(), job.corpus, job.context)


def _run_piece(job: Job, stage: str, part: Part | None) -> None:
    if stage == "encode":
        _encode(job, part)
    elif stage == "train":
        job.task.train(job.fitted_tokenizer(), job.corpus, job.begin())
    elif part is not None:
        job.task.score_part(job.fitted_tokenizer(), job.corpus, job.context, part)


def _encode(job: Job, part: Part | None) -> None:
    """Encode every manifest whose codes the task needs, or one part of each."""
    store, progress = job.context.store, job.context.progress
    for tokenizer, manifest in job.task.encodes(job.fitted_tokenizer(), job.corpus, store):
        if part is None:
            encode_manifest(tokenizer, manifest, store, progress)
        else:
            encode_part(tokenizer, manifest, store, part, progress)
