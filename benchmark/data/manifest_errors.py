"""A list of all problems of an input, grouped by kind and short enough to be read."""

from collections.abc import Iterator

MOST = 5
"""Places shown per kind; the others are only counted."""


class Problems:
    """Kinds of mistakes with their places, in the order found."""

    def __init__(self) -> None:
        self._places: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._places.values()))

    def add(self, kind: str, place: str) -> None:
        """Add a place, such as "line 3: a.wav", where a mistake of this kind occurs."""
        self._places.setdefault(kind, []).append(place)

    def update(self, other: "Problems") -> None:
        """Add all problems of another list."""
        for kind, places in other._places.items():
            self._places.setdefault(kind, []).extend(places)

    def lines(self, most: int = MOST) -> Iterator[str]:
        """Yield each kind with its count, followed by its first `most` places, indented."""
        for kind, places in self._places.items():
            yield f"{kind} ({len(places):,})"
            yield from (f"    {place}" for place in places[:most])
            if len(places) > most:
                yield f"    and {len(places) - most:,} more"

    def summary(self, most: int = MOST) -> str:
        """Return all problems as indented lines, to be put below a heading."""
        return "".join(f"\n  {line}" for line in self.lines(most))
