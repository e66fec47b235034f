"""Write a summary of the mini profile's reference tables into the README.

python -m scripts.update_readme
"""

from pathlib import Path

from benchmark.results.report.cells import Cell
from benchmark.results.report.grid import BAG, entry
from benchmark.results.report.notes import counts_note
from benchmark.results.report.printed import DASH, heading
from benchmark.results.report.tables import make_table
from benchmark.results.store import ResultsStore

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- mini table: python -m scripts.update_readme -->", "<!-- end of mini table -->"
COLUMNS = [
    ("reconstruction", "wer", ""),
    ("reconstruction", "pesq", ""),
    ("reconstruction", "stoi", ""),
    ("voice_conversion", "wer", "VC "),
    ("voice_conversion", "secs", "VC "),
    ("voice_conversion", "secs_source", "VC "),
    ("probing", "probe_wer", ""),
    ("probing", "intent_accuracy", ""),
]
"""Table, metric, and a prefix that distinguishes its heading from that of another table."""


def compact_table() -> str:
    """Format one line per tokenizer from three tables, each number as the full tables print it."""
    rows = ResultsStore(ROOT / "results" / "reference" / "mini").rows()
    tables = {name: make_table(name, rows) for name in {name for name, _, _ in COLUMNS}}
    metrics = {
        (name, metric): table.metrics[metric] for name, metric, _ in COLUMNS if (table := tables[name])
    }
    lines = {name: {line.tokenizer: line for line in table.lines} for name, table in tables.items() if table}
    head = ["tokenizer", "kbit/s", *(f"{prefix}{heading(metrics[n, m])}" for n, m, prefix in COLUMNS)]
    text = [head, ["---", *["--:"] * (len(head) - 1)]]
    floors = {name: line for name, line in lines["probing"].items() if line.kind == "floor"}
    for tokenizer, first in (lines["reconstruction"] | floors).items():
        found = [lines[name].get(tokenizer) for name, _, _ in COLUMNS]
        if tokenizer not in floors and None in found:
            continue  # a variant, which has no line in every table
        printed = [
            entry(line.cells[m], metrics[n, m]) if line else None
            for line, (n, m, _) in zip(found, COLUMNS, strict=True)
        ]
        cells = [f"{cell.value} {cell.rest}".strip() if cell else DASH for cell in printed]
        if first.base:  # codes without their order, which are no floor where order does not matter
            cells = [
                f"{cell} ({BAG})" if metrics[n, m].order_free and cell != DASH else cell
                for cell, (n, m, _) in zip(cells, COLUMNS, strict=True)
            ]
        text.append([f"`{tokenizer}`", f"{first.bitrate_kbps:g}", *cells])
    table = "\n".join(f"| {' | '.join(line)} |" for line in text)
    shown: dict[str, list[Cell]] = {}
    for name, metric, _ in COLUMNS:
        shown.setdefault(name.replace("_", " "), []).extend(x.cells[metric] for x in lines[name].values())
    return f"{table}\n\n{counts_note(shown)}"


def main() -> None:
    """Replace the text between the two marks in the README."""
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    readme.write_text(f"{before}{BEGIN}\n{compact_table()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
