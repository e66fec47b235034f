"""Configs of the jobs that a command line of `run` would start, composed without running any job."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

from hydra import version
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository, ConfigRepository
from hydra._internal.config_search_path_impl import SearchPathQuery
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

import benchmark.jobs.launchers  # noqa: F401  (before the first config is composed)
from benchmark.errors import UserError


class _KeptFiles(CachingConfigRepository):
    """A repository of configs that parses every yaml once; Hydra's own would parse each yaml for each job."""

    def __deepcopy__(self, memo: dict[int, Any]) -> "_KeptFiles":
        return self

    def load_config(self, config_path: str) -> ConfigResult | None:
        """Return a copy of the parsed file, because composed configs share the nodes of the files."""
        return deepcopy(super().load_config(config_path))


CONF = Path(__file__).resolve().parents[2] / "conf"
ROOT_CONFIG = "config"


@contextmanager
def open_hydra(config_dir: str | None = None) -> Iterator[Hydra]:
    """Yield a Hydra that reads `conf` and, if given, a folder of the user's, as `--config-dir` adds one.

    Raises: UserError for a folder that does not exist, and in place of Hydra's and OmegaConf's errors.
    """
    version.setbase("1.3")
    search_path = create_config_search_path(str(CONF))
    if config_dir is not None:
        folder = Path(config_dir).expanduser().absolute()
        if not folder.is_dir():
            raise UserError(f"--config-dir: {str(folder)!r} is not a folder")
        before = SearchPathQuery(provider="schema", path=None)
        search_path.prepend(provider="command-line", path=f"file://{folder}", anchor=before)
    try:
        hydra = Hydra.create_main_hydra2("benchmark", search_path)
        loader = cast(ConfigLoaderImpl, hydra.config_loader)
        loader.repository = cast(ConfigRepository, _KeptFiles(loader.repository))
        yield hydra
    except (HydraException, OmegaConfBaseException) as error:
        cause = error.__cause__  # Hydra names the override, OmegaConf the mistake in it
        more = f"\n{cause}" if isinstance(cause, OmegaConfBaseException) else ""
        raise UserError(f"{error}{more}") from error
    finally:
        GlobalHydra.instance().clear()


def compose(hydra: Hydra, overrides: Sequence[str]) -> DictConfig:
    """Compose the config of a single job."""
    return hydra.compose_config(ROOT_CONFIG, list(overrides), RunMode.RUN)


def compose_jobs(hydra: Hydra, overrides: Sequence[str], multirun: bool) -> list[DictConfig]:
    """Compose one config per job, in the order in which the jobs would start.

    Args:
        hydra: Hydra as `open_hydra` yields it.
        overrides: Overrides as on the command line.
        multirun: True if `-m` is given, so that comma lists make a sweep. An experiment in MULTIRUN mode is a
            sweep without `-m`.

    Raises:
        UserError: the experiment names another sweeper than Hydra's basic one.
    """
    master = hydra.compose_config(
        ROOT_CONFIG, list(overrides), RunMode.MULTIRUN, validate_sweep_overrides=False
    )
    if not multirun and master.hydra.mode != RunMode.MULTIRUN:
        return [_as_run(compose(hydra, overrides))]
    return expand_sweep(hydra, master)


def expand_sweep(hydra: Hydra, master: DictConfig) -> list[DictConfig]:
    """Compose one config per job of a sweep, in the order of the jobs' numbers.

    Args:
        hydra: Hydra as `open_hydra` or `running` yields it.
        master: Config of the whole sweep, which includes Hydra's own part.

    Raises: UserError if `master` names another sweeper than Hydra's basic one.
    """
    sweeper = master.hydra.sweeper
    if not sweeper._target_.endswith(f".{BasicSweeper.__name__}"):
        raise UserError(f"only sweeps by hydra/sweeper=basic can be listed, not by {sweeper._target_}")
    params = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
    parser = OverridesParser.create(config_loader=hydra.config_loader)
    # Unresolved, as Hydra reads them: an interpolation in an override belongs to each job, not to `master`.
    task = cast(list[str], OmegaConf.to_container(master.hydra.overrides.task, resolve=False))
    parsed = parser.parse_overrides([*params, *task])
    (jobs,) = BasicSweeper.split_arguments(parsed, max_batch_size=None)
    compositions = _Compositions(hydra, master)
    return [compositions.of(parser.parse_overrides(job)) for job in jobs]


@contextmanager
def running() -> Iterator[Hydra]:
    """Yield the Hydra that runs the current sweep; within the block it parses every yaml only once."""
    hydra = GlobalHydra.instance().hydra
    assert hydra is not None, "no sweep is running"
    loader = cast(ConfigLoaderImpl, hydra.config_loader)
    kept = loader.repository
    loader.repository = cast(ConfigRepository, _KeptFiles(kept))
    try:
        yield hydra
    finally:
        loader.repository = kept


class _Compositions:
    """Configs of the jobs of one sweep, made with fewer compositions than jobs, because each is slow.

    Overrides of values, such as the seed, are applied after composition. A job that differs from the first
    job in several choices of groups is assembled from jobs that differ in one choice each. This requires that
    each choice changes nothing but the node named after its group; otherwise the job is composed as a whole.
    """

    def __init__(self, hydra: Hydra, master: DictConfig) -> None:
        self._loader, self._master = cast(ConfigLoaderImpl, hydra.config_loader), master
        self._composed: dict[tuple[str, ...], DictConfig] = {}
        self._local: dict[tuple[str, ...], bool] = {}
        self._first: list[str] = []

    def of(self, job: list[Override]) -> DictConfig:
        """Return the config of one job, given all its overrides."""
        choices = [o for o in job if self._loader.repository.group_exists(o.key_or_group)]
        cfg = self._assembled(choices) or deepcopy(self._compose([str(o.input_line) for o in choices]))
        ConfigLoaderImpl._apply_overrides_to_config([o for o in job if o not in choices], cfg)
        return cfg

    def _assembled(self, choices: list[Override]) -> DictConfig | None:
        """Assemble the config of a job from others; return None if the job must be composed as a whole."""
        texts = [str(o.input_line) for o in choices]
        self._first = self._first or texts
        places = [place for place, text in enumerate(texts) if text != self._first[place]]
        if len(places) < 2:
            return None
        first = self._compose(self._first)
        changed = {}
        for place in places:
            group = choices[place].key_or_group
            one = [*self._first[:place], texts[place], *self._first[place + 1 :]]
            if choices[place].package is not None or group not in first or not self._is_local(one, group):
                return None
            changed[group] = self._compose(one)[group]
        cfg = deepcopy(first)
        for group, node in changed.items():
            cfg[group] = node
        return cfg

    def _is_local(self, job: list[str], group: str) -> bool:
        """Return whether a job differs from the first job in the node `group` alone."""
        key = tuple(job)
        if key not in self._local:
            first, other = (_without(self._compose(each), group) for each in (self._first, job))
            self._local[key] = first == other
        return self._local[key]

    def _compose(self, job: list[str]) -> DictConfig:
        key = tuple(job)
        if key not in self._composed:
            self._composed[key] = _as_run(self._loader.load_sweep_config(self._master, job))
        return self._composed[key]


def _as_run(cfg: DictConfig) -> DictConfig:
    """Remove Hydra's own part from a config, which a running job does not see; return the config."""
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg


def _without(cfg: DictConfig, group: str) -> dict[str, Any]:
    """Return a config as plain data, without one top-level node."""
    whole = cast(dict[str, Any], OmegaConf.to_container(cfg))
    return {name: value for name, value in whole.items() if name != group}
