"""Download, check and unpack a corpus, or check an existing copy.

    speech-token-benchmark data librispeech /data
    speech-token-benchmark data libritts /data --subsets train-clean-100 dev-clean test-clean
    speech-token-benchmark data testset_b /data    # LibriTTS test-clean with the lists of testset-B
    speech-token-benchmark data slurp /data/slurp --delete-archives
    speech-token-benchmark data librispeech /data/LibriSpeech --verify      # downloads nothing

Files that exist already are not downloaded again. The command may be killed at any time; given again, it goes
on where it stopped. At the end, every recording is checked without decoding it, and the counts are compared
with the published ones. The exit status is 1 if anything is missing or damaged.
"""

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmark.data.download.preparation import Preparation
from benchmark.data.download.published_corpora import CORPORA
from benchmark.data.download.verification import verify
from benchmark.errors import UserError
from benchmark.jobs.commands.parser import command_parser
from benchmark.storage.atomic_files import write_atomic


def main(arguments: Sequence[str]) -> int:
    """Prepare and verify a corpus; return 0 if it is complete and undamaged, 1 otherwise.

    Raises: UserError for subsets that do not exist, and for archives that cannot be downloaded.
    """
    given = _parser().parse_args(arguments)
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stderr)
    published = CORPORA[given.dataset]
    preparation = Preparation(published, given.root, given.archives, given.mirror, given.delete_archives)
    subsets = given.subsets or list(published.chosen)
    if given.verify and not given.subsets:
        subsets = _there(preparation)
    if not given.verify:
        preparation.run(subsets)
    verification = verify(preparation, subsets, given.workers)
    sys.stdout.write(f"{verification.text()}\n")
    report = given.report or given.root / f"{given.dataset}-report.json"
    try:
        write_atomic(report, json.dumps(verification.as_json(), indent=1))
        sys.stdout.write(f"All of it: {report}\n")
    except OSError as error:
        sys.stderr.write(f"no report was written: {error}; --report names another file\n")
    if not verification.complete:
        sys.stdout.write("To mend it: remove the folder of what is not whole and run without --verify.\n")
    settings = {name: preparation.annotations / file for name, file in published.settings.items()}
    for name, path in {published.variable: preparation.folder, **settings}.items():
        sys.stdout.write(f"To use it: {name}={path}\n")
    return int(not verification.complete)


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("data", __doc__)
    add = parser.add_argument
    add("dataset", choices=CORPORA, metavar="dataset", help=", ".join(CORPORA))
    add("root", type=_folder, help="folder of the corpus, or the one that is to hold it")
    add("--subsets", nargs="+", metavar="NAME", help="default: all; of slurp slurp_real, not slurp_synth")
    add("--mirror", metavar="URL", help="server and folder that have the same files")
    add("--archives", type=_folder, metavar="FOLDER", help="where archives are or go (ROOT/archives/…)")
    add("--delete-archives", action="store_true", help="once they are unpacked")
    add("--verify", action="store_true", help="only look at what is there")
    add("--report", type=_folder, metavar="FILE", help="every fault, in JSON (ROOT/<dataset>-report.json)")
    add("--workers", type=int, default=os.cpu_count() or 1, help="processes that look (%(default)s)")
    return parser


def _there(preparation: Preparation) -> list[str]:
    """Return the subsets that exist, and print the names of the others.

    Raises: UserError if no subset exists.
    """
    published = preparation.published
    there = [name for name in published.archives if preparation.present(name)]
    absent = [name for name in published.archives if name not in there]
    if not there:
        raise UserError(
            f"{preparation.folder} holds none of {', '.join(absent)}; without --verify they are downloaded"
        )
    if absent:
        sys.stdout.write(f"not there, and not looked for: {', '.join(absent)}\n")
    return there


def _folder(path: str) -> Path:
    return Path(path).expanduser().absolute()
