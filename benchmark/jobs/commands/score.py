"""Score recordings that exist already against their originals.

    speech-token-benchmark score reference=originals decoded=mine
    speech-token-benchmark score reference=originals decoded=mine text=transcripts metric=[wer,pesq,utmos]
    speech-token-benchmark score reference=originals decoded=mine text=list.csv asr=ctc output=mine.csv

    reference=FOLDER  the originals
    decoded=FOLDER    what was made of them: files are matched by name, whatever their extension
    text=PATH         what is said: a folder of .txt files of the same names, or a list (.csv, .tsv, .jsonl)
                      with the columns audio_path, speaker_id and text, whose speakers intervals then resample
    output=FILE       the CSV of scores by utterance (default: <results>/scores/<decoded>.csv)

The rest are overrides as `run` takes them: metric=, asr=, device=, threads=. Prints a table in Markdown. What
an original lacks in `decoded` counts as failed; what has no original is named and left out. Without text= a
metric that compares with transcripts is left out: dwer compares with what the ASR hears in the original.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmark.jobs.commands.parser import command_parser

OWN = ("reference", "decoded", "text", "output")


def main(arguments: Sequence[str]) -> int:
    """Print the table and write the scores.

    Raises: UserError for folders or metrics that nothing can be scored with.
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
