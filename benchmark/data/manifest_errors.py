"""A list of everything wrong with an input: by kind, with its places, short enough to be read."""

from collections.abc import Iterator

MOST = 5
"""Places of one kind that are shown; the rest are counted."""


class Problems:
    """Kinds of mistakes with the places where they occur, in the order found."""

    def __init__(self) -> None:
        self._places: dict[str, list[str]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._places.values()))

    def add(self, kind: str, place: str) -> None:
        """One more place, such as "line 3: a.wav", where a mistake of this kind is."""
        self._places.setdefault(kind, []).append(place)

    def update(self, other: "Problems") -> None:
        """Take over those of another list."""
        for kind, places in other._places.items():
            self._places.setdefault(kind, []).extend(places)

    def lines(self, most: int = MOST) -> Iterator[str]:
        """Kind and count, then the first places of the kind, indented."""
        for kind, places in self._places.items():
            yield f"{kind} ({len(places):,})"
            yield from (f"    {place}" for place in places[:most])
            if len(places) > most:
                yield f"    and {len(places) - most:,} more"

    def summary(self, most: int = MOST) -> str:
        """As a text of several lines, indented, to stand below a heading."""
        return "".join(f"\n  {line}" for line in self.lines(most))
