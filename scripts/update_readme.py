"""Put the reference tables of the mini profile, in short, into the README.

python -m scripts.update_readme
"""

import csv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TABLES = ROOT / "results" / "mini" / "tables"
BEGIN, END = "<!-- mini table: python -m scripts.update_readme -->", "<!-- end of mini table -->"
COLUMNS = [
    ("reconstruction", "wer", "WER % ↓", 1),
    ("reconstruction", "pesq", "PESQ ↑", 2),
    ("reconstruction", "stoi", "STOI ↑", 3),
    ("voice_conversion", "wer", "VC WER % ↓", 1),
    ("voice_conversion", "secs", "VC SECS ↑", 3),
    ("probing", "probe_wer", "probe WER % ↓", 1),
    ("probing", "intent_accuracy", "intent % ↑", 1),
]


def cell(row: dict[str, str] | None, metric: str, decimals: int) -> str:
    """`value [lo, hi]`, or a dash where there is no number; NC values are marked."""
    if row is None or not row[metric]:
        return "–"
    value, lo, hi = (row[name] for name in (metric, f"{metric}_lo", f"{metric}_hi"))
    text = f"{float(value):.{decimals}f}"
    if lo and hi:
        text += f" [{float(lo):.{decimals}f}, {float(hi):.{decimals}f}]"
    return text


def compact_table() -> str:
    """One line per tokenizer over the three tables."""
    tables = {}
    for name in ("reconstruction", "voice_conversion", "probing"):
        with (TABLES / f"{name}.csv").open(encoding="utf-8") as file:
            tables[name] = {row["tokenizer"]: row for row in csv.DictReader(file)}
    head = ["tokenizer", "kbit/s", *(label for _, _, label, _ in COLUMNS)]
    lines = [head, ["---", "--:"] + ["--:"] * len(COLUMNS)]
    for tokenizer, row in tables["reconstruction"].items():
        cells = [cell(tables[t].get(tokenizer), metric, digits) for t, metric, _, digits in COLUMNS]
        lines.append([f"`{tokenizer}`", f"{float(row['bitrate_kbps']):g}", *cells])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Replace what stands between the two marks."""
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    readme.write_text(f"{before}{BEGIN}\n{compact_table()}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
