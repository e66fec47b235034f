"""Say what a sweep costs before anything runs: hours of each device, disk space, and jobs already done.

    speech-token-benchmark plan experiment=mini
    speech-token-benchmark plan experiment=paper_speech,paper_asr,paper_intent --workers 8
    speech-token-benchmark plan -m tokenizer=mimi,facodec task=asr_probe dataset=librispeech --rates my.yaml

The arguments are those of `run`; several experiments may be named at once. The command uses no network and
builds nothing. Neither corpora nor weights need to be on this machine: for a corpus without a manifest, the
published size counts. The assumed speeds are in benchmark/jobs/cost/rates.yaml, each rate with its source.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmark.errors import UserError
from benchmark.jobs.commands.parser import sweep_parser


def main(arguments: Sequence[str]) -> int:
    """Print the plan.

    Raises: UserError for a mistake of the user's.
    """
    parser = sweep_parser("plan", __doc__)
    parser.add_argument("--rates", type=Path, help="a file of rates in place of those that come with it")
    parser.add_argument("--workers", type=int, default=1, help="equal devices that share the work")
    parser.add_argument(
        "--measure", action="store_true", help="first time, for seconds each, the tokenizers that are here"
    )
    given = parser.parse_intermixed_args(arguments)
    if given.workers < 1:
        raise UserError(f"--workers {given.workers} must be at least 1")
    # Imported here: --help needs none of the models' libraries.
    from huggingface_hub import constants

    from benchmark.jobs.compose import compose_jobs, open_hydra
    from benchmark.jobs.cost.dry_jobs import Jobs, sweeps
    from benchmark.jobs.cost.measure import measure
    from benchmark.jobs.cost.rates import load_rates
    from benchmark.jobs.cost.sweep import Sweep
    from benchmark.jobs.cost.table import report
    from benchmark.jobs.cost.workload import Workload

    constants.HF_HUB_OFFLINE = True  # a plan needs only files of this machine
    make, jobs = Jobs(), []
    with open_hydra(given.config_dir) as hydra:
        for overrides in sweeps(given.overrides):
            jobs += [make(cfg) for cfg in compose_jobs(hydra, overrides, given.multirun)]
    cache = jobs[0].context.store.root
    if given.measure:
        for name, what in measure((job.tokenizer for job in jobs), cache).items():
            sys.stderr.write(f"{name}: {what}\n")
    rates = load_rates(given.rates, cache)
    sweep = Sweep(Workload(rates))
    for job in jobs:
        sweep.add(job)
    sys.stdout.write(report(sweep, rates, cache, given.workers) + "\n")
    return 0
