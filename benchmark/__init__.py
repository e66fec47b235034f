"""One-way data flow: corpora → manifest → tokens → vocoder or probe → metrics → results → tables."""

from benchmark.training.cpu_instructions import use_avx2

use_avx2()  # before anything here imports NumPy or PyTorch
