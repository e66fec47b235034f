"""What a task says of the table that its rows stand in; the rows carry it to the report."""

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, kw_only=True)
class TableLayout:
    """The table of a task's rows.

    Attributes:
        name: Of its files; tasks that give one name share the table.
        title: Heading.
        place: Where table and columns stand among others: in ascending order.
        by_condition: Title of a second table, of the metrics called "metric/condition"; empty for none.
        compares_ranks: Whether its columns measure one thing in several ways, so that their rankings are
            compared.
        axis: What its numbers are in the figure that sets speech against content: "speech", "content", or
            empty for neither. The first table of speech is also drawn against the bitrate.
        overview: Metrics that the overview shows, those of tasks that share the table together, or all where
            there are none; None leaves the table out.
        short: Heading of its columns in the overview; `title` where it is empty.
    """

    name: str
    title: str
    place: int = 100
    by_condition: str = ""
    compares_ranks: bool = False
    axis: str = ""
    overview: tuple[str, ...] | None = None
    short: str = ""

    def for_rows(self) -> dict[str, Any]:
        """Return what differs from the defaults, JSON-able: rows carry it in `display`."""
        content = {item.name: getattr(self, item.name) for item in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in content.items()
            if value != type(self).__dataclass_fields__[name].default
        }
