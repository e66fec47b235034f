"""Declaration by a task of the table that shows its rows; the rows carry the declaration to the report."""

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, kw_only=True)
class TableLayout:
    """Name, title and position of the table that shows a task's rows.

    Attributes:
        name: Name of the table's files; tasks with the same name share the table.
        title: Heading of the table.
        place: Position of the table among the tables, and of the task's columns within the table; ascending.
        by_condition: Title of a second table, for metrics named "metric/condition"; empty for none.
        compares_ranks: Whether the columns measure one quantity in several ways, so that the report compares
            their rankings.
        axis: Role of the table in the figure of speech against content: "speech", "content", or empty for
            neither. The first table of speech is also drawn against the bitrate.
        overview: Metrics that the overview shows. Tasks that share a table join their lists; an empty list
            shows all metrics; None leaves the table out.
        short: Heading of the table's columns in the overview; empty for `title`.
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
        """Return the fields that differ from the defaults, JSON-able; rows carry them in `display`."""
        content = {item.name: getattr(self, item.name) for item in fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in content.items()
            if value != type(self).__dataclass_fields__[name].default
        }
