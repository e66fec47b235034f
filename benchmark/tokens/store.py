"""The token store: one memory-mapped integer array per manifest plus a Parquet index.

960 hours at 50 Hz are 173 M tokens per codebook: 346 MB in uint16, of which a reader touches only
the pages it needs.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

CODES, INDEX = "codes.bin", "index.parquet"


def code_dtype(codebook_size: int) -> np.dtype:
    """Smallest unsigned integer type that holds the codes 0 … codebook_size - 1."""
    return np.min_scalar_type(codebook_size - 1)


class TokenWriter:
    """Appends utterances to a store folder; memory does not grow with the corpus."""

    def __init__(self, folder: Path, num_codebooks: int, codebook_size: int) -> None:
        self.folder = folder
        self.num_codebooks = num_codebooks
        self.dtype = code_dtype(codebook_size)
        self._file = (folder / CODES).open("wb")
        self._rows: list[tuple[str, int, int, str | None]] = []
        self._offset = 0

    def add(self, utterance_id: str, codes: np.ndarray) -> None:
        """Append (K, T) codes of one utterance."""
        if codes.shape[0] != self.num_codebooks:
            raise ValueError(f"expected {self.num_codebooks} codebooks, got codes {codes.shape}")
        if codes.size and (codes.min() < 0 or codes.max() > np.iinfo(self.dtype).max):
            raise ValueError(f"codes of {utterance_id} leave the range of {self.dtype}")
        frames = np.ascontiguousarray(codes.T.astype(self.dtype))  # frame-major: a crop is one slice
        self._file.write(frames.tobytes())
        self._rows.append((utterance_id, self._offset, len(frames), None))
        self._offset += len(frames)

    def fail(self, utterance_id: str, reason: str) -> None:
        """Record that an utterance has no tokens, and why."""
        self._rows.append((utterance_id, self._offset, 0, reason))

    def close(self) -> None:
        """Write the index; the store can be opened afterwards."""
        self._file.close()
        index = pd.DataFrame(self._rows, columns=["utterance_id", "offset", "frames", "failure"])
        index.attrs = {}
        index["num_codebooks"] = self.num_codebooks
        index["dtype"] = str(self.dtype)
        index.sort_values("utterance_id").to_parquet(self.folder / INDEX, index=False)


class TokenStore:
    """Read access to the tokens of one manifest."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        index = pd.read_parquet(folder / INDEX)
        self.num_codebooks = int(index["num_codebooks"].iloc[0])
        self._dtype = np.dtype(index["dtype"].iloc[0])
        failed = index[index["failure"].notna()]
        self.failures: dict[str, str] = dict(zip(failed["utterance_id"], failed["failure"], strict=True))
        """Reason by id for the utterances that have no tokens."""
        kept = index[index["failure"].isna()]
        spans = zip(kept["offset"].astype(int), kept["frames"].astype(int), strict=True)
        self._spans: dict[str, tuple[int, int]] = dict(zip(kept["utterance_id"], spans, strict=True))
        total = int(kept["frames"].sum())
        self._codes = (
            np.memmap(folder / CODES, self._dtype, mode="r", shape=(total, self.num_codebooks))
            if total
            else np.empty((0, self.num_codebooks), self._dtype)
        )

    def __reduce__(self) -> tuple[type["TokenStore"], tuple[Path]]:
        """Another process maps the files anew; pickling the array would copy it."""
        return TokenStore, (self.folder,)

    def __iter__(self) -> Iterator[str]:
        return iter(self._spans)

    def __len__(self) -> int:
        return len(self._spans)

    def __contains__(self, utterance_id: object) -> bool:
        return utterance_id in self._spans

    def __getitem__(self, utterance_id: str) -> np.ndarray:
        """Codes of one utterance, (K, T) int64."""
        offset, frames = self._spans[utterance_id]
        return np.asarray(self._codes[offset : offset + frames]).T.astype(np.int64)

    def frames(self, utterance_id: str) -> int:
        """Number of frames of one utterance, without reading its codes."""
        return self._spans[utterance_id][1]
