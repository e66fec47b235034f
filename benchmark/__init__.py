"""One-way data flow: corpora → manifest → tokens → vocoder or probe → metrics → results → tables."""

import os

from benchmark.training.cpu_instructions import use_avx2

# Jobs run one on each core, and a process in which threads of `tokenizers` have run cannot be forked quietly.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
use_avx2()  # before anything here imports NumPy or PyTorch
