"""Curves of the trainings of a job in its wandb run."""

import logging
from collections.abc import Mapping
from typing import Any

from lightning.pytorch.loggers import WandbLogger

log = logging.getLogger(__name__)


class Curves(WandbLogger):
    """Logger for the trainings of one job, as `training/<n>/<name>` over `training/<n>/step`."""

    def __init__(self, run: Any) -> None:
        super().__init__(experiment=run)
        self._run = run
        self._number, self._last = 0, -1

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_run": None, "_experiment": None}  # a run cannot be sent to another process

    @property
    def experiment(self) -> Any:
        """Run of the job."""
        return self._run

    def log_hyperparams(self, *_: Any, **__: Any) -> None:
        """Do nothing, because the run has the whole config of the job already."""

    def finalize(self, status: str) -> None:
        """Do nothing, because the job ends the run after all its trainings."""

    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log numbers and media; a step below the last one begins the next training."""
        if self._run is None:
            return
        step = self._last if step is None else step
        begins = step < self._last or not self._number
        self._number += begins
        self._last = step
        prefix = f"training/{self._number}"
        try:
            if begins:
                self._run.define_metric(f"{prefix}/*", step_metric=f"{prefix}/step")
            self._run.log(
                {f"{prefix}/{name}": value for name, value in metrics.items()} | {f"{prefix}/step": step}
            )
        except Exception as error:  # a dashboard must not fail a training
            log.warning("wandb no longer follows the trainings: %s: %s", type(error).__name__, error)
            self._run = None
