"""Score recordings that exist already against their originals.

    speech-token-benchmark score reference=originals decoded=mine
    speech-token-benchmark score reference=originals decoded=mine text=transcripts metric=[wer,pesq,utmos]
    speech-token-benchmark score reference=originals decoded=mine text=list.csv asr=ctc output=mine.csv

    reference=FOLDER  the originals
    decoded=FOLDER    the recordings made from them: files are matched by name, whatever their extension
    text=PATH         transcripts: a folder of .txt files of the same names, or a list (.csv, .tsv, .jsonl)
                      with the columns audio_path, speaker_id and text, whose speakers intervals then resample
    output=FILE       the CSV of scores by utterance (default: <results>/scores/<decoded>.csv)

All other arguments are overrides as for `run`: metric=, asr=, device=, threads=. The command prints a table
in Markdown. An original without a recording in `decoded` counts as failed. A recording without an original is
named and left out. Without text=, metrics that compare with transcripts are left out; dwer remains, because
this metric compares with the ASR's transcript of the original.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmark.jobs.commands.parser import command_parser

OWN = ("reference", "decoded", "text", "output")


def main(arguments: Sequence[str]) -> int:
    """Print the table and write the scores by utterance.

    Raises: UserError for folders or metrics with which no recording can be scored.
    """
    parser = command_parser("score", __doc__)
    parser.add_argument("overrides", nargs="*", metavar="name=value", help="see above")
    given = parser.parse_args(arguments).overrides
    own = dict(word.split("=", 1) for word in given if word.partition("=")[0] in OWN and "=" in word)
    if missing := [name for name in OWN[:2] if not own.get(name)]:
        parser.error(f"{' and '.join(f'{name}=FOLDER' for name in missing)} must be given")
    paths = {name: Path(value).expanduser() for name, value in own.items() if value}
    # Imported here: --help needs none of the models' libraries.
    from benchmark.jobs.compose import compose, open_hydra
    from benchmark.jobs.folder_scores import Folders, score_folders
    from benchmark.results.report.formats import to_markdown
    from benchmark.storage.atomic_files import write_atomic

    with open_hydra() as hydra:
        cfg = compose(hydra, [word for word in given if word.partition("=")[0] not in OWN])
    folders = Folders(paths["reference"], paths["decoded"], paths.get("text"))
    scores = score_folders(folders, cfg)
    output = paths.get("output") or Path(cfg.paths.results, "scores", f"{folders.decoded.name}.csv")
    write_atomic(output, scores.utterances.to_csv(index=False))
    sys.stdout.write(f"{to_markdown(scores.table)}\nscores by utterance: {output}\n")
    return 0
