"""Properties of the launcher of a sweep, Hydra's plugin that runs jobs: here, on SLURM or on Ray."""

import os
import shutil
import signal
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from hydra.core.plugins import Plugins
from omegaconf import DictConfig, OmegaConf

from benchmark.errors import UserError

# Our configs have the names of the plugins' own and are validated against them; Hydra warns about this.
warnings.filterwarnings("ignore", r"\s*'hydra/launcher/\w+' is validated against", UserWarning)

EXTRA = "pip install 'speech-token-benchmark[cluster]'"
VARIABLES = (
    *("CACHE", "LIBRISPEECH", "LIBRITTS", "LYRA", "NEMO_PYTHON", "RESULTS", "SLURP", "TESTSET_B"),
    *("UTT2PROMPT", "WHISPER"),
)
"""Environment variables that configs read."""
GO_ON = (
    "Jobs that SLURM has go on without this command: squeue --me lists them, scancel ends them. "
    "The same command, given again, waits for what they are at."
)


@dataclass(frozen=True)
class Place:
    """The working directory and the environment variables to which the configs of a sweep refer.

    Processes of Ray start in the folder, and with the environment, in which their node was started.
    """

    folder: str
    variables: Mapping[str, str]

    @classmethod
    def here(cls) -> "Place":
        """Return the place of this process."""
        return cls(str(Path.cwd()), {name: os.environ[name] for name in VARIABLES if name in os.environ})

    def enter(self) -> None:
        """Set the working directory and the variables of this process.

        Raises: FileNotFoundError if the folder is not visible, as on a node without the shared disk.
        """
        os.chdir(self.folder)
        for name in VARIABLES:
            os.environ.pop(name, None)
        os.environ.update(self.variables)


def prepare(config: DictConfig) -> None:
    """Check the launcher before it starts, and set its environment variables.

    Raises: UserError if its plugin or its scheduler is not installed.
    """
    target, choice = config.hydra.launcher._target_, config.hydra.runtime.choices["hydra/launcher"]
    if target not in Plugins.instance().class_name_to_class:
        raise UserError(f"hydra/launcher={choice} needs a library that is not here: {EXTRA}")
    if _is_slurm(config) and shutil.which("sbatch") is None:
        raise UserError(
            f"hydra/launcher={choice}: there is no sbatch here; start it where SLURM's commands are"
        )
    if _is_ray(config):
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no usage reports unless the user enables them


def leave_when_told(config: DictConfig) -> None:
    """Make the process of a job end at once on SIGTERM of SLURM.

    Submitit's jobs ignore SIGTERM by default. If their worker processes died of it, this would look like a
    failure of the job.
    """
    if _is_slurm(config):
        signal.signal(signal.SIGTERM, _leave)


def at_once(config: DictConfig) -> int:
    """Return the number of jobs that may run side by side."""
    launcher = config.hydra.launcher
    if launcher._target_.endswith(".BasicLauncher"):
        return 1
    jobs = OmegaConf.select(launcher, "n_jobs") or OmegaConf.select(launcher, "array_parallelism")
    jobs = int(jobs or sys.maxsize)  # Ray's depends on the cluster; submitit's has no bound by default
    jobs = jobs if jobs > 0 else os.cpu_count() or 1
    return min(jobs, int(OmegaConf.select(config, "hydra.sweeper.max_batch_size") or jobs))


def is_elsewhere(config: DictConfig) -> bool:
    """Return whether jobs run on other machines than this one, which may have other devices."""
    return _is_slurm(config) or _is_ray(config)


def left_behind(config: DictConfig) -> str:
    """Return a hint about jobs that go on after their launcher has ended, or "" if they end with it."""
    return GO_ON if _is_slurm(config) else ""


def _is_slurm(config: DictConfig) -> bool:
    return str(config.hydra.launcher._target_).endswith(".SlurmLauncher")


def _is_ray(config: DictConfig) -> bool:
    return str(config.hydra.launcher._target_).endswith(".RayLauncher")


def _leave(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)
