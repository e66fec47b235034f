"""Check that a tokenizer keeps the contract that every measurement relies on.

    speech-token-benchmark check tokenizer=mel_rvq
    speech-token-benchmark check --config-dir . tokenizer=my_codec tokenizer.levels=8

The command encodes a few seconds of noise, silence and speech-like sound, and decodes them if the tokenizer
has a decoder. It checks shape, type, range and rate of the codes, that they depend neither on chance nor on
the batch, and the length of decoded speech. It prints one line for each check. The exit status is 1 if a
check fails.
"""

import sys
from collections.abc import Sequence

from benchmark.jobs.commands.parser import command_parser


def main(arguments: Sequence[str]) -> int:
    """Print the result of every check; return 0 if the tokenizer passes all, 1 otherwise.

    Raises: UserError if the tokenizer cannot be built, or its weights or libraries are not on this machine.
    """
    parser = command_parser("check", __doc__)
    parser.add_argument("overrides", nargs="+", help="tokenizer=… and other Hydra overrides")
    parser.add_argument("-cd", "--config-dir", help="a folder of yaml files of your own")
    given = parser.parse_intermixed_args(arguments)
    # Imported here: --help needs none of the models' libraries.
    import torch

    from benchmark.jobs.build import build
    from benchmark.jobs.compose import compose, open_hydra
    from benchmark.jobs.contract_report import contract_lines

    with open_hydra(given.config_dir) as hydra:
        cfg = compose(hydra, given.overrides)
    torch.set_num_threads(1)  # as in a run
    passed = True
    for result in contract_lines(build(cfg.tokenizer)):
        sys.stdout.write(f"{result}\n")
        sys.stdout.flush()
        passed &= result.passed
    return int(not passed)
