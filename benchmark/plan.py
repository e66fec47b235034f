"""What a command line of `python -m benchmark` would run: every job's config, composed and not run."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra import version
from hydra._internal.config_search_path_impl import SearchPathQuery
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from benchmark.errors import UserError

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
        yield Hydra.create_main_hydra2("benchmark", search_path)
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
    return [hydra.config_loader.load_sweep_config(master, job) for job in jobs]
