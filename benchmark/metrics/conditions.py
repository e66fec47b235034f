"""Conditions of voice conversion, such as pairs of the same gender, and metrics restricted to one of them."""

from dataclasses import replace

from benchmark.metrics.reported import MetricInfo

CONDITIONS = {
    "same_gender": ("same gender", "two speakers of one gender, both recordings in one language"),
    "cross_gender": ("cross-gender", "speakers of different gender, both recordings in one language"),
    "cross_lingual": ("cross-lingual", "another speaker's prompt in another language than the source"),
    "self": ("self", "another recording of the source's own speaker as the prompt"),
}
"""Label and meaning of each condition."""


def under(metric: str, condition: str) -> str:
    """Return the name of a metric over the utterances of one condition."""
    return f"{metric}/{condition}"


def restricted(definition: MetricInfo, condition: str) -> MetricInfo:
    """Return the facts of a metric over the utterances of one condition."""
    label, meaning = CONDITIONS[condition]
    return replace(
        definition,
        label=f"{definition.label}, {label}",
        definition=f"as {definition.label} of all pairs, over those with {meaning}",
        note_of=under(definition.note_of, condition) if definition.note_of else "",
    )
