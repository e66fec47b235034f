"""Restriction of numerical libraries to AVX2 on x86-64, so that most numbers agree between processors.

Numerical libraries choose the widest instructions of the processor, and AVX-512 adds in another order than
AVX2. The last bits then differ, frames fall to other codebook entries, and a thousand steps of training
amplify that to a WER of 38.9 % where another machine had 30.6 % (`whisper_kmeans` of profile mini). Each
library can be restricted by an environment variable. A variable that is already set is left alone.

With this restriction 192 of mini's 234 numbers agreed to 1e-3 between two processors, compared with 128
without it. The others belong to one vocoder, which starts from a codebook of a network's features: their last
bits still differ, since the size of the cache decides how a library cuts its sums.
"""

import os
import platform
from pathlib import Path

AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",  # PyTorch's own kernels
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # PyTorch's convolutions
    "MKL_CBWR": "AVX2",  # PyTorch's matrix products
    "OPENBLAS_CORETYPE": "Haswell",  # NumPy, SciPy and scikit-learn
    "CT2_FORCE_CPU_ISA": "AVX2",  # faster-whisper
}
"""Environment variables of the libraries; a library reads its own when it is loaded or first computes."""


def use_avx2(flags: str | None = None) -> None:
    """Restrict the libraries to AVX2 if the processor has it; call before the first of them is imported.

    Args:
        flags: Features of the processor, by default those that Linux lists. If there are none to read, and on
            other processors, nothing is set, and trained models may differ.
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
