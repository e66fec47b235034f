"""ASR by NVIDIA NeMo models, which run in a Python environment of their own.

NeMo conflicts with the pinned versions of this package.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchmark.errors import UserError
from benchmark.extractors.asr import nemo_model
from benchmark.extractors.asr.extractors import Listener, Transcript
from benchmark.extractors.clips import of_one_length
from benchmark.extractors.other_python.environment import Environment
from benchmark.extractors.other_python.process import Program, check_timeout
from benchmark.extractors.other_python.worker import Worker
from benchmark.types import SAMPLE_RATE

ARCHIVE = "*.nemo"
TIMEOUT = "asr.timeout"


@dataclass(frozen=True, kw_only=True)
class Nemo(Transcript):
    """A CTC or transducer model with NeMo's default decoding, in float32.

    An archive names the classes that NeMo instantiates, so use archives only from sources whose code you
    would run. Clips of equal length are decoded together.

    Attributes:
        python: Interpreter of the environment that has NeMo; None for the running one.
        timeout: Seconds for one batch, after which its process is killed. A clip that takes longer alone
            stops the job.
    """

    files: ClassVar[tuple[str, ...]] = (ARCHIVE,)
    shortest: ClassVar[int] = SAMPLE_RATE // 10

    python: str | None = None
    timeout: float = 600.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_timeout(TIMEOUT, self.timeout)

    @property
    def method(self) -> str:
        """See `Transcript.method`."""
        return "NeMo's default decoding"

    @property
    def source(self) -> str:
        """See `Transcript.source`."""
        return f"{self.checkpoint} (NeMo float32)"

    @cached_property
    def environment(self) -> Environment:
        """The environment that has NeMo; versions below 2.0 transcribe files only."""
        python = self.python and str(Path(self.python).expanduser())
        return Environment(
            python=python,
            setting="asr.python",
            module="nemo",
            package="nemo_toolkit",
            extra="asr",
            least="2.0",
        )

    def identity(self) -> dict[str, Any]:
        """See `Transcript.identity`.

        Raises:
            UserError: the weights, or the environment with NeMo, are missing.
        """
        return super().identity() | {"package": self.environment.version}

    def listener(self, device: str) -> Listener:
        """See `Transcript.listener`."""
        _ = self.environment.version  # refuses an unfit environment
        archives = sorted(self.folder.glob(ARCHIVE))
        if len(archives) != 1:
            raise UserError(f"{self.checkpoint} must hold one {ARCHIVE} file, not {len(archives)}")
        worker = Worker(
            Program(
                name=f"ASR {self.name}",
                python=self.environment.interpreter,
                script=Path(nemo_model.__file__),
                settings={"archive": str(archives[0].absolute()), "device": device},
                timeout=self.timeout,
                timeout_setting=TIMEOUT,
            )
        )

        def transcribe(wavs: list[np.ndarray]) -> list[Any]:
            texts: list[Any] = [""] * len(wavs)
            for positions in of_one_length(wavs, self.batch_size):
                heard = worker([wavs[position] for position in positions])
                for position, text in zip(positions, heard, strict=True):
                    texts[position] = text
            return texts

        return transcribe
