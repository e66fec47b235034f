"""The same arithmetic on x86-64 processors, so that a run elsewhere gives nearly always the same numbers.

Numerical libraries choose the widest instructions that the processor has, and AVX-512 adds in another order
than AVX2: the last bits differ, a codebook's frames fall to other entries, and a thousand steps of training
make of it a WER of 38.9 % where another machine had 30.6 (`whisper_kmeans` of profile mini). Each library
can be told. A variable that is set already is left alone.

Between two processors 192 of mini's 234 numbers were then the same to 1e-3, where it had been 128. The others
belong to one vocoder: the last bits of its codebook still differ, for NumPy has no such variable that holds
from version to version, and sums are cut by the size of the cache.
"""

import os
import platform
from pathlib import Path

AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",  # PyTorch's own kernels
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # its convolutions
    "MKL_CBWR": "AVX2",  # its matrix products
    "OPENBLAS_CORETYPE": "Haswell",  # those of NumPy, SciPy and faiss
    "FAISS_SIMD_LEVEL": "AVX2",
    "CT2_FORCE_CPU_ISA": "AVX2",  # faster-whisper
}
"""What the libraries read, each when it is loaded or first computes."""


def use_avx2(flags: str | None = None) -> None:
    """Hold the libraries to AVX2 where the processor has it; call before the first of them is imported.

    Args:
        flags: Features of the processor, by default those Linux lists. Where there are none to read, and on
            other processors, nothing is set, and what is trained may differ.
    """
    if flags is None:
        flags = _flags()
    if "avx2" in flags.split():
        for name, value in AVX2.items():
            os.environ.setdefault(name, value)


def _flags() -> str:
    listing = Path("/proc/cpuinfo")
    if platform.machine() != "x86_64" or not listing.exists():
        return ""
    return next((line for line in listing.read_text().splitlines() if line.startswith("flags")), "")
