"""Write the list of voice conversion pairs before anything runs, to be read, edited or published.

    speech-token-benchmark pairs dataset=librispeech
    speech-token-benchmark pairs --output pairs.csv dataset=libritts task.pairing_seed=1 limit=100
    speech-token-benchmark sweep tokenizer=mimi,facodec task=voice_conversion task.pairs=pairs.csv …

The overrides are those of `run`. Without --output, the list is written to the file in which a run would save
the same list: results/<profile>/pairs/<dataset>.csv.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmark.jobs.commands.parser import command_parser


def main(arguments: Sequence[str]) -> int:
    """Write the list, and print the number of pairs by condition.

    Raises: UserError for a corpus that cannot be paired as the overrides request.
    """
    parser = command_parser("pairs", __doc__)
    parser.add_argument("overrides", nargs="*", help="such as dataset=librispeech limit=60")
    parser.add_argument("--output", type=Path, help="the CSV file")
    given = parser.parse_intermixed_args(arguments)
    # Imported here: --help needs none of the models' libraries.
    from benchmark.jobs.build import build
    from benchmark.jobs.compose import compose, open_hydra
    from benchmark.storage.artifacts import ArtifactStore
    from benchmark.storage.atomic_files import write_atomic

    with open_hydra() as hydra:
        cfg = compose(hydra, ["task=voice_conversion", *given.overrides])
    corpus, task = build(cfg.dataset), build(cfg.task)
    pairing = task.conversion(corpus, ArtifactStore(cfg.paths.cache)).pairing
    results = Path(cfg.paths.results) / cfg.profile_name
    output = given.output or results / "pairs" / f"{corpus.name}.csv"
    write_atomic(output, pairing.to_csv())
    counts = ", ".join(f"{count} {condition}" for condition, count in pairing.counts().items())
    sys.stdout.write(f"{output}: {len(pairing.pairs)} pairs ({counts})\n")
    for condition, reason in pairing.left_out.items():
        sys.stdout.write(f"none {condition}: {reason}\n")
    return 0
