"""Table of the facts of every tokenizer in `conf/tokenizer`, made without loading any weights.

`make tokenizers` prints the table, with columns about this machine. `make sheets` writes the table without
these columns to docs/reference/tokenizers.md.
"""

import sys
from itertools import groupby
from pathlib import Path

from benchmark.errors import UserError
from benchmark.jobs.build import build
from benchmark.jobs.compose import compose, open_hydra
from benchmark.jobs.requirements import extras, has_weights
from benchmark.results.report.formats import to_markdown
from benchmark.results.report.printed import DASH, Entry, Grid
from benchmark.storage.atomic_files import write_atomic
from benchmark.tokenizers.base import Tokenizer
from benchmark.types import TokenizerSpec

HASH = 10
"""Characters shown of a commit hash."""
NAMES, LAST = 2, 9
"""Numbers of columns of words before and after the columns of numbers."""
HEADER = (
    *("tokenizer", "kind"),
    *("sample rate (Hz)", "frames/s", "books × entries", "kbit/s", "kbit/s, whole bits"),
    *("side information per utterance", "causal", "decoder", "batches", "licence", "checkpoint", "extra"),
)
HERE = ("installed", "weights")
"""Columns about this machine, which the committed sheet leaves out."""
NOTES = [
    "frames/s: several values where codebooks have rates of their own.",
    "kbit/s: nominal, F · log2 V, without side information, which is sent once per utterance.",
    "kbit/s, whole bits: F · ⌈log2 V⌉, as published tables count (Guo et al. 2025).",
    "decoder: own, or own with the side information of a prompt, or none; those without get the vocoder.",
    "batches: padded, or of equal length where padding would change the codes.",
    "checkpoint: at the revision that the yaml names; the newest where it names none.",
    "extra: pip install 'speech-token-benchmark[extra]' for the library it needs.",
]


def facts(spec: TokenizerSpec) -> list[str]:
    """Return the cells of one tokenizer, without those about its libraries and this machine."""
    runs = [(size, len(list(run))) for size, run in groupby(spec.codebook_sizes)]
    rates = [f"{rate:.6g}" for rate, _ in groupby(spec.frame_rates)]
    decoder = "own, with prompt" if spec.decode_needs_prompt else "own" if spec.can_decode else "none"
    return [
        spec.name,
        spec.kind,
        str(spec.sample_rate) + (f" → {spec.output_rate}" if spec.output_rate else ""),
        " / ".join(rates),
        " + ".join(f"{count} × {size}" for size, count in runs),
        f"{spec.bitrate / 1000:.4g}",
        f"{spec.whole_bit_rate / 1000:.4g}",
        _side_info(spec),
        "yes" if spec.causal else "no",
        decoder,
        "padded" if spec.supports_padding else "equal length",
        spec.licence,
        _checkpoint(spec),
    ]


def _side_info(spec: TokenizerSpec) -> str:
    if not spec.side_info:
        return DASH
    return spec.side_info + ("" if spec.side_info_bits is None else f": {spec.side_info_bits:g} bit")


def _checkpoint(spec: TokenizerSpec) -> str:
    if spec.checkpoint is None:
        return DASH
    is_hash = spec.revision is not None and len(spec.revision) == 40
    revision = spec.revision[:HASH] if spec.revision and is_hash else spec.revision
    return spec.checkpoint + (f"@{revision}" if revision else "")


def machine(tokenizer: Tokenizer) -> list[str]:
    """Return the cells that say whether the library and the weights are on this machine; download nothing."""
    needed, weights = extras(tokenizer), has_weights(tokenizer)
    installed = DASH if not needed else "yes" if all(needed.values()) else "no"
    return [installed, DASH if weights is None else "here" if weights else "absent"]


def sheet(tokenizers: list[Tokenizer], with_machine: bool) -> str:
    """Format the table in Markdown."""
    rows = [
        facts(tokenizer.spec)
        + [", ".join(extras(tokenizer)) or DASH]
        + (machine(tokenizer) if with_machine else [])
        for tokenizer in tokenizers
    ]
    grid = Grid(
        title="Tokenizers",
        num_names=NAMES,
        header=[*HEADER, *(HERE if with_machine else ())],
        body=[[Entry(cell) for cell in row] for row in rows],
        notes=NOTES,
        footnotes=[],
        last_names=LAST if with_machine else LAST - len(HERE),
    )
    return to_markdown(grid)


def configured() -> list[Tokenizer]:
    """Return every tokenizer of `conf/tokenizer` as the command line builds it.

    Raises: UserError with the name of a yaml that no tokenizer can be built from.
    """
    tokenizers = []
    with open_hydra() as hydra:
        for name in hydra.config_loader.get_group_options("tokenizer"):
            cfg = compose(hydra, [f"tokenizer={name}"])
            try:
                tokenizers.append(build(cfg.tokenizer))
            except UserError as error:
                raise UserError(f"conf/tokenizer/{name}.yaml: {error}") from error
    return tokenizers


def write(out: Path | None) -> None:
    """Print the table with the columns about this machine, or write the table without them to the file `out`.

    Raises: UserError with the name of a yaml that no tokenizer can be built from.
    """
    text = sheet(configured(), with_machine=out is None)
    if out is not None:
        write_atomic(out, text)
    sys.stdout.write(text if out is None else f"{out}\n")
