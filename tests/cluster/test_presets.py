"""What launchers ask for: the page says what the configs say, and a plugin that is not here is named."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from benchmark.jobs.compose import CONF, compose_jobs, open_hydra
from benchmark.jobs.launchers import VARIABLES, at_once, is_elsewhere, left_behind
from benchmark.jobs.preflight import preflight
from tests.cluster.sweeps import ROOT

pytestmark = pytest.mark.filterwarnings(r"ignore:\s*'hydra/launcher:UserWarning")
FOLDER = CONF / "hydra/launcher"
OWN = sorted(path.stem for path in FOLDER.glob("*.yaml"))
SLURMS = [name for name in OWN if "slurm" in name]
RAYS = [name for name in OWN if name.startswith("ray")]
# Hydra asks pkgutil for its plugins.
WITHOUT = """\
import pkgutil, re
every = pkgutil.walk_packages
pkgutil.walk_packages = lambda *a, **k: (m for m in every(*a, **k) if not re.search("submitit|ray", m.name))
"""


def composed(*overrides: str) -> DictConfig:
    with open_hydra() as hydra:
        return hydra.compose_config("config", list(overrides), RunMode.MULTIRUN)


def launcher(name: str) -> dict[str, object]:
    config = composed(f"hydra/launcher={name}")
    content = OmegaConf.to_container(config.hydra.launcher, resolve=False)
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}


def cells(name: str) -> list[str]:
    """CPUs, GPUs, memory, time limit and jobs at once, as the page has them."""
    own = launcher(name)
    if "ray" in own:
        asked = own["ray"]["remote"]  # type: ignore[index]
        cpus, gpus = asked["num_cpus"], asked["num_gpus"] or "–"
        memory = f"{asked['memory'] / 1e9:.0f} GB" if "memory" in asked else "–"
        return [_workers(cpus), str(gpus), memory, "–", "as many as fit"]
    time = f"{own['timeout_min'] // 60} h"  # type: ignore[operator]
    if name == "submitit_local":
        return ["–", "–", "–", time, "all"]
    tasks = own["tasks_per_node"]
    cpus = f"{tasks} × {own['cpus_per_task']}" if tasks != 1 else _workers(own["cpus_per_task"])
    return [
        cpus,
        str(own["gpus_per_node"] or "–"),
        f"{own['mem_gb']} GB",
        time,
        str(own["array_parallelism"]),
    ]


def _workers(cpus: object) -> str:
    return "`workers`" if cpus == "${workers}" else str(cpus)


def test_the_page_says_what_every_preset_asks_for() -> None:
    page = (ROOT / "docs/how-to/clusters.md").read_text()
    table = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| (.+) \|$", page, flags=re.MULTILINE))
    assert table.pop("joblib")
    assert sorted(table) == OWN
    assert {name: row.split(" | ") for name, row in table.items()} == {name: cells(name) for name in OWN}
    (given,) = {launcher(name)["max_num_timeout"] for name in SLURMS}
    assert f"up to {given} times" in page
    (given,) = {launcher(name)["ray"]["remote"]["max_retries"] for name in RAYS}  # type: ignore[index]
    assert f"up to {given} times" in page


@pytest.mark.parametrize("name", SLURMS)
def test_jobs_of_slurm_are_put_back_and_keep_their_logs_with_the_sweep(name: str) -> None:
    own = launcher(name)
    assert own["additional_parameters"] == {"requeue": True}
    assert str(own["submitit_folder"]).startswith("${hydra.sweep.dir}/")
    assert own["gpus_per_node"] in (None, own["tasks_per_node"])  # trainer=ddp: a process per GPU


def test_how_many_jobs_run_side_by_side() -> None:
    cores = os.cpu_count()
    assert at_once(composed()) == 1
    assert at_once(composed("hydra/launcher=joblib")) == cores
    assert at_once(composed("hydra/launcher=joblib", "hydra.launcher.n_jobs=3")) == 3
    assert at_once(composed("hydra/launcher=slurm_gpu")) == 16
    assert at_once(composed("hydra/launcher=submitit_local")) > 1000  # nothing bounds them
    assert at_once(composed("hydra/launcher=ray", "hydra.sweeper.max_batch_size=5")) == 5
    assert [name for name in OWN if is_elsewhere(composed(f"hydra/launcher={name}"))] == sorted(SLURMS + RAYS)
    assert left_behind(composed("hydra/launcher=slurm_cpu")) and not left_behind(
        composed("hydra/launcher=ray")
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="a machine without a GPU is needed")
def test_a_machine_without_a_gpu_may_start_jobs_that_run_elsewhere(tmp_path: Path) -> None:
    where = [f"paths.cache={tmp_path}/cache", f"paths.results={tmp_path}/results"]
    with open_hydra() as hydra:
        jobs = compose_jobs(
            hydra, ["device=cuda", "task=codebook_usage", "tokenizer=mel_rvq,opus_6k", *where], True
        )
    assert [item.kind for item in preflight(jobs).problems] == ["device"]
    assert not preflight(jobs, elsewhere=True).problems


def test_variables_that_configs_read_go_where_jobs_go() -> None:
    texts = [path.read_text() for path in CONF.rglob("*.yaml") if FOLDER not in path.parents]
    read = {name for text in texts for name in re.findall(r"\$\{oc\.env:(\w+)", text)}
    assert read == set(VARIABLES)


def test_without_the_plugin_a_launcher_names_the_command_and_all_else_works(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(WITHOUT)

    def said(*arguments: str) -> tuple[int, str]:
        environment = os.environ | {"PYTHONPATH": str(tmp_path), "RESULTS": str(tmp_path / "results")}
        command = [sys.executable, "-m", "benchmark", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200)
        return done.returncode, done.stdout + done.stderr

    status, words = said("-m", "hydra/launcher=ray_cpu", f"hydra.sweep.dir={tmp_path}/sweep")
    assert status == 1 and "Traceback" not in words
    assert words.startswith(
        "hydra/launcher=ray_cpu needs a library that is not here: pip install 'speech-token"
    )
    status, words = said("run", "--help")
    assert status == 0 and "hydra/launcher" not in words.partition("Groups")[0]
    status, words = said("--cfg", "job", "task=codebook_usage", "-p", "task")
    assert status == 0 and words.startswith("# @package task")
