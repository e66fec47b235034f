"""Say what exists of a sweep, what is missing, and what no longer holds, with the reason. Runs nothing.

    speech-token-benchmark status experiment=mini
    speech-token-benchmark status -m tokenizer=mel_rvq,mimi task=reconstruction,asr_probe

takes what `run` takes, and several experiments at once. A line per job: done, NC (done, but the training did
not converge), missing, stale (its rows are of another configuration or of other code), failed, or unclear
where what the rows depend on cannot be looked at. Exit status 0 when all is done.
"""

import logging
import sys
from collections.abc import Sequence

from benchmark.jobs.commands.parser import sweep_parser


def main(arguments: Sequence[str]) -> int:
    """Print the states; 0 when every job is done, 1 otherwise.

    Raises: UserError for overrides that no config can be composed of.
    """
    given = sweep_parser("status", __doc__).parse_intermixed_args(arguments)
    # Imported here: --help needs none of the models' libraries.
    from huggingface_hub import constants

    from benchmark.jobs.compose import compose_jobs, open_hydra
    from benchmark.jobs.cost.dry_jobs import Jobs, sweeps
    from benchmark.jobs.status import COMPLETE, look, text

    constants.HF_HUB_OFFLINE = True  # looks at what is here
    logging.disable(logging.WARNING)  # a damaged file has its line
    make, states = Jobs(), []
    try:
        with open_hydra(given.config_dir) as hydra:
            for overrides in sweeps(given.overrides):
                states += [look(cfg, make) for cfg in compose_jobs(hydra, overrides, given.multirun)]
    finally:
        logging.disable(logging.NOTSET)
    sys.stdout.write(text(states) + "\n")
    return int(any(state.state not in COMPLETE for state in states))
