"""Say what a run or a sweep would miss on this machine, before anything runs.

    speech-token-benchmark doctor tokenizer=encodec_24khz task=reconstruction
    speech-token-benchmark doctor -m tokenizer=mimi,snac_24khz task=reconstruction
    speech-token-benchmark doctor experiment=mini
    speech-token-benchmark doctor dataset=custom manifest=my.csv task=asr_probe  # each line

The arguments are those of `run`. The command checks the libraries, weights and folders of every tokenizer,
corpus and model of the planned jobs. Nothing is downloaded; the hub is asked for sizes if it can be reached.
The exit status is 1 if anything is missing.
"""

import sys
from collections.abc import Sequence

from benchmark.jobs.commands.parser import sweep_parser


def main(arguments: Sequence[str]) -> int:
    """Print the report; return 0 if nothing is missing, 1 otherwise.

    Raises: UserError for overrides that no config can be composed from.
    """
    given = sweep_parser("doctor", __doc__).parse_intermixed_args(arguments)
    # Imported here: --help needs none of the models' libraries.
    from benchmark.jobs.compose import compose_jobs, open_hydra
    from benchmark.jobs.cost.dry_jobs import sweeps
    from benchmark.jobs.doctor import Examination, text
    from benchmark.storage.hub_downloads import Hub

    examination = Examination(Hub())
    with open_hydra(given.config_dir) as hydra:
        for overrides in sweeps(given.overrides):
            for cfg in compose_jobs(hydra, overrides, given.multirun):
                examination.add(cfg)
    items = examination.items
    sys.stdout.write(text(items) + "\n")
    return int(any(item.needs for item in items))
