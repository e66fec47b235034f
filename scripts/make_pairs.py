"""Make the list of voice conversion pairs before anything runs, to be read, edited or published.

    python -m scripts.make_pairs dataset=librispeech
    python -m scripts.make_pairs --output pairs.csv dataset=libritts task.pairing_seed=1 limit=100
    python -m benchmark -m tokenizer=mimi,facodec task=voice_conversion dataset=libritts task.pairs=pairs.csv

takes the overrides of `python -m benchmark`. Without --output the list lies where a run would write the
same one: results/<profile>/pairs/<dataset>.csv.
"""

import argparse
import sys
from pathlib import Path

from benchmark.errors import UserError
from benchmark.jobs.build import build
from benchmark.jobs.compose import compose, open_hydra
from benchmark.storage.artifacts import ArtifactStore
from benchmark.storage.atomic_files import write_atomic


def main(arguments: list[str] | None = None) -> int:
    """Write the list; 1 after a mistake of the user's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("overrides", nargs="*", help="such as dataset=librispeech limit=60")
    parser.add_argument("--output", type=Path, help="the CSV file")
    given = parser.parse_intermixed_args(arguments)
    try:
        with open_hydra() as hydra:
            cfg = compose(hydra, ["task=voice_conversion", *given.overrides])
        corpus, task = build(cfg.dataset), build(cfg.task)
        pairing = task.conversion(corpus, ArtifactStore(cfg.paths.cache)).pairing
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    results = Path(cfg.paths.results) / cfg.profile_name
    output = given.output or results / "pairs" / f"{corpus.name}.csv"
    write_atomic(output, pairing.to_csv())
    counts = ", ".join(f"{count} {condition}" for condition, count in pairing.counts().items())
    print(f"{output}: {len(pairing.pairs)} pairs ({counts})")
    for condition, reason in pairing.left_out.items():
        print(f"none {condition}: {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
