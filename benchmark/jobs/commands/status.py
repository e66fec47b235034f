"""Say which jobs of a sweep are done, missing or out of date, and why. No job is run.

    speech-token-benchmark status experiment=mini
    speech-token-benchmark status -m tokenizer=mel_rvq,mimi task=reconstruction,asr_probe

The arguments are those of `run`; several experiments may be named at once. The command prints one line per
job: done, NC (done, but the training did not converge), missing, stale (the rows are of another configuration
or of other code), failed, or unclear (something that the rows depend on cannot be checked). The exit status
is 0 if every job is done.
"""

import logging
import sys
from collections.abc import Sequence

from benchmark.jobs.commands.parser import sweep_parser


def main(arguments: Sequence[str]) -> int:
    """Print the states; return 0 if every job is done, 1 otherwise.

    Raises: UserError for overrides that no config can be composed from.
    """
    given = sweep_parser("status", __doc__).parse_intermixed_args(arguments)
    # Imported here: --help needs none of the models' libraries.
    from huggingface_hub import constants

    from benchmark.jobs.compose import compose_jobs, open_hydra
    from benchmark.jobs.cost.dry_jobs import Jobs, sweeps
    from benchmark.jobs.status import COMPLETE, look, text

    constants.HF_HUB_OFFLINE = True  # only files of this machine are examined
    logging.disable(logging.WARNING)  # the line of a job reports damaged files
    make, states = Jobs(), []
    try:
        with open_hydra(given.config_dir) as hydra:
            for overrides in sweeps(given.overrides):
                states += [look(cfg, make) for cfg in compose_jobs(hydra, overrides, given.multirun)]
    finally:
        logging.disable(logging.NOTSET)
    sys.stdout.write(text(states) + "\n")
    return int(any(state.state not in COMPLETE for state in states))
