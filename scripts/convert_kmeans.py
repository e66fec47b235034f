"""Convert a published k-means, pickled by scikit-learn and joblib, to a safetensors file of centroids.

    python -m scripts.convert_kmeans hubert_base_ls960_L9_km500.bin km500.st layer=9 normed=False
    python -m benchmark tokenizer=hubert_base_l9 tokenizer.codebook_size=500 +tokenizer.centroids=km500.st

The facts after the file names state to which features the centroids belong; a tokenizer with other arguments
refuses the file. No code in the pickle is run: only arrays are read, and a class that does not belong to a
k-means is refused.
"""

import argparse
import sys
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, BinaryIO

import numpy as np
from joblib.numpy_pickle import NumpyArrayWrapper, NumpyUnpickler
from safetensors.numpy import save

from benchmark.storage.atomic_files import write_atomic

PLAIN = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "scalar"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
}
"""Functions and classes by which arrays and numbers are pickled."""


class Shell:
    """Stand-in for a scikit-learn object, which holds its attributes and does nothing."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)


class PlainArray(NumpyArrayWrapper):
    """An array of numbers; joblib would unpickle the elements of an array of objects without a check."""

    def read(self, unpickler: NumpyUnpickler, *arguments: Any) -> np.ndarray:
        """Read the array like the base class.

        Raises: ValueError for an array of objects.
        """
        if self.dtype.hasobject:
            raise ValueError("the pickle holds an array of objects")
        return super().read(unpickler, *arguments)


class KMeansReader(NumpyUnpickler):
    """An unpickler that accepts arrays only, and makes a `Shell` of each scikit-learn object."""

    def find_class(self, module: str, name: str) -> Any:
        """Return the class of an allowed name.

        Raises: ValueError for any other name.
        """
        if (module, name) == ("joblib.numpy_pickle", "NumpyArrayWrapper"):
            return PlainArray
        if module.startswith("sklearn."):
            return Shell
        if (module, name) in PLAIN:
            return super().find_class(module, name)
        raise ValueError(f"the pickle asks for {module}.{name}, which no k-means needs")


def read_centroids(file: BinaryIO, name: str) -> np.ndarray:
    """Return the (V, D) float32 centroids of a pickled k-means.

    Raises:
        ValueError: the pickle does not hold a k-means.
    """
    try:
        model = KMeansReader(name, file, ensure_native_byte_order=True).load()
    except (EOFError, LookupError, TypeError, UnpicklingError) as error:
        raise ValueError(f"no whole pickle: {error}") from error
    centroids = getattr(model, "cluster_centers_", None)
    if not isinstance(centroids, np.ndarray) or centroids.ndim != 2:
        raise ValueError("the pickle is no k-means: it has no cluster_centers_")
    return np.ascontiguousarray(centroids, np.float32)


def main() -> int:
    """Convert one file; return 1 if it cannot be read or holds no k-means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("facts", nargs="*", help="such as layer=9 normed=False")
    arguments = parser.parse_args()
    facts = dict(fact.split("=", 1) for fact in arguments.facts)
    try:
        with arguments.source.open("rb") as file:
            centroids = read_centroids(file, str(arguments.source))
    except (OSError, ValueError) as error:
        print(f"{arguments.source}: {error}", file=sys.stderr)
        return 1
    write_atomic(arguments.target, save({"codebooks": centroids[None]}, metadata=facts))
    print(f"{arguments.target}: {centroids.shape[0]} centroids of {centroids.shape[1]} dimensions, {facts}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
