"""What a command line of `python -m benchmark` would run: every job's config, composed and not run."""

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
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from benchmark.errors import UserError


class _KeptFiles(CachingConfigRepository):
    """Parses every yaml once: Hydra alone would parse them anew for each job."""

    def __deepcopy__(self, memo: dict[int, Any]) -> "_KeptFiles":
        return self

    def load_config(self, config_path: str) -> ConfigResult | None:
        """A copy, since what is composed of it shares its nodes."""
        return deepcopy(super().load_config(config_path))


CONF = Path(__file__).resolve().parents[1] / "conf"
ROOT_CONFIG = "config"


@contextmanager
def opened(config_dir: str | None = None) -> Iterator[Hydra]:
    """Hydra on `conf`, and on a folder of the user's, as `--config-dir` adds it.

    Raises: UserError for a folder that does not exist, and in place of Hydra's own errors.
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
        cause = error.__cause__  # Hydra says which override, OmegaConf what is wrong with it
        more = f"\n{cause}" if isinstance(cause, OmegaConfBaseException) else ""
        raise UserError(f"{error}{more}") from error
    finally:
        GlobalHydra.instance().clear()


def compose(hydra: Hydra, overrides: Sequence[str]) -> DictConfig:
    """The config of a single job."""
    return hydra.compose_config(ROOT_CONFIG, list(overrides), RunMode.RUN)


def planned(hydra: Hydra, overrides: Sequence[str], multirun: bool) -> list[DictConfig]:
    """One config per job, in the order in which they would start.

    Args:
        hydra: From `opened`.
        overrides: As on the command line; comma lists make a sweep, as does an experiment in MULTIRUN mode.
        multirun: Whether `-m` is given.

    Raises:
        UserError: the experiment names another sweeper than Hydra's own.
    """
    master = hydra.compose_config(
        ROOT_CONFIG, list(overrides), RunMode.MULTIRUN, validate_sweep_overrides=False
    )
    if not multirun and master.hydra.mode != RunMode.MULTIRUN:
        return [compose(hydra, overrides)]
    sweeper = master.hydra.sweeper
    if not sweeper._target_.endswith(f".{BasicSweeper.__name__}"):
        raise UserError(f"only sweeps by hydra/sweeper=basic can be listed, not by {sweeper._target_}")
    params = [f"{key}={value}" for key, value in (sweeper.params or {}).items()]
    parser = OverridesParser.create(config_loader=hydra.config_loader)
    parsed = parser.parse_overrides([*params, *master.hydra.overrides.task])
    (jobs,) = BasicSweeper.split_arguments(parsed, max_batch_size=None)
    exists = cast(ConfigLoaderImpl, hydra.config_loader).repository.group_exists
    composed: dict[tuple[str, ...], DictConfig] = {}
    configs = []
    for job in jobs:  # those that differ in values alone, such as the seed, are composed once
        overrides_of_job = parser.parse_overrides(job)
        is_choice = [exists(o.key_or_group) for o in overrides_of_job]
        choices = tuple(text for text, choice in zip(job, is_choice, strict=True) if choice)
        if choices not in composed:
            composed[choices] = hydra.config_loader.load_sweep_config(master, list(choices))
        cfg = deepcopy(composed[choices])
        values = [o for o, choice in zip(overrides_of_job, is_choice, strict=True) if not choice]
        ConfigLoaderImpl._apply_overrides_to_config(values, cfg)
        configs.append(cfg)
    return configs
