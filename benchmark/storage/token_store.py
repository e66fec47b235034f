"""Token store: a frame store whose frames hold the K codes of one time step."""

from pathlib import Path

import numpy as np

from benchmark.storage.frame_store import FrameStore, FrameWriter


def code_dtype(codebook_size: int) -> np.dtype:
    """Return the smallest unsigned integer type that holds the codes 0 … codebook_size - 1."""
    return np.min_scalar_type(codebook_size - 1)


class TokenWriter(FrameWriter):
    """Writer of the tokens of a corpus, whose memory does not grow with the corpus."""

    def __init__(self, folder: Path, num_codebooks: int, codebook_size: int) -> None:
        super().__init__(folder, num_codebooks, code_dtype(codebook_size))

    def add(self, utterance_id: str, codes: np.ndarray) -> None:
        """Append the codes (K, T) of one utterance."""
        if codes.shape[0] != self.width:
            raise ValueError(f"expected {self.width} codebooks, got codes {codes.shape}")
        if codes.size and (codes.min() < 0 or codes.max() > np.iinfo(self.dtype).max):
            raise ValueError(f"codes of {utterance_id} leave the range of {self.dtype}")
        super().add(utterance_id, codes.T)  # frame-major, so that a crop is one contiguous slice


class TokenStore(FrameStore):
    """Read access to the tokens of one manifest."""

    @property
    def num_codebooks(self) -> int:
        """Number of codes per frame, K."""
        return self.width

    def __getitem__(self, utterance_id: str) -> np.ndarray:
        """Return the codes of one utterance, (K, T) int64."""
        return self.read(utterance_id).T.astype(np.int64)
