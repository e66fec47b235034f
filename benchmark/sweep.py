"""After a run or a sweep: the tables, so that nobody has to ask for them."""

import logging
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from benchmark.errors import UserError
from benchmark.report.write import write_report

log = logging.getLogger(__name__)


class WriteReport(Callback):
    """Hydra callback that rewrites tables and figures when a run, or a whole sweep, has ended."""

    def on_run_end(self, config: DictConfig, **_: Any) -> None:
        """Once, after a single run."""
        self._write(config)

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        """Once, after all jobs of a sweep."""
        self._write(config)

    def _write(self, config: DictConfig) -> None:
        folder = Path(config.paths.results) / config.profile_name
        try:
            write_report(folder)
        except UserError as error:  # a run that failed before its first row has nothing to show
            log.warning("no tables: %s", error)
