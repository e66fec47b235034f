"""Side information of own decoders in tables: what they take beside the codes, from whom, at which rate."""

from collections.abc import Iterable

from benchmark.results.row import Row

PROMPTS = {
    "same_speaker": "another recording of the speaker",
    "original": "the recording itself",
    "target": "a recording of the target speaker",
}
"""Recordings that give decoded speech its voice, by the rule that the rows note."""


def sent_bitrate(rows: Iterable[Row]) -> float:
    """Return the bit/s of side information that is sent beside the codes; 0 for none, or for no fixed size.

    Side information of the recording itself is sent. That of another recording is a prompt, which a vocoder
    gets as well, and no line counts prompts.
    """
    rates = [row.notes.get("side_info_bitrate") or 0.0 for row in rows if _rule(row) == "original"]
    return max(rates, default=0.0)


def remark(rows: Iterable[Row]) -> str:
    """Return the footnote to the bitrate of a tokenizer; empty without side information."""
    return "; ".join(dict.fromkeys(text for row in rows if (text := _told(row))))


def prompts_note(rows: Iterable[Row]) -> list[str]:
    """Return the note that names a table's prompt rule; several rules are listed with their tokenizers."""
    users: dict[str, set[str]] = {}
    for row in rows:
        if row.status != "n/a" and (rule := row.notes.get("prompt")) in PROMPTS:
            users.setdefault(rule, set()).add(row.label)
    if not users:
        return []
    told = [
        PROMPTS[rule] + (f" [{', '.join(sorted(users[rule]))}]" if len(users) > 1 else "")
        for rule in PROMPTS
        if rule in users
    ]
    return [f"Prompts, for vocoders and for own decoders that take one: {'; '.join(told)}."]


def _rule(row: Row) -> str | None:
    """Return the prompt rule of an own decoder's side information; None where the row uses none."""
    return row.notes.get("prompt") if row.decoder == "own" else None


def _told(row: Row) -> str:
    what, bits = row.notes.get("side_info"), row.notes.get("side_info_bits_per_utterance")
    if not what:
        return ""
    size = "of no fixed size" if bits is None else f"{bits:g} bit a recording"
    match _rule(row):
        case None:
            return f"kbps: codes alone; its own decoder also takes {what} ({size})"
        case "original" if rate := row.notes.get("side_info_bitrate"):
            codes, side = (f"{x / 1000:.4g}" for x in (row.bitrate or 0.0, rate))
            source = PROMPTS["original"]
            return f"kbps: {codes} of codes + {side} of side information from {source}: {what} ({size})"
        case rule:
            source = PROMPTS.get(rule, rule)
            return f"kbps: codes alone; its decoder also takes {what} ({size}, not counted), from {source}"
