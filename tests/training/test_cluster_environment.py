"""Tests of the world that is read from the variables of torchrun and SLURM."""

import os
from dataclasses import replace

import pytest
from lightning.fabric.plugins.environments import TorchElasticEnvironment

from benchmark.errors import UserError
from benchmark.training.cluster_environment import World, is_follower, started_world
from benchmark.training.config import TrainerConfig
from benchmark.training.ddp import ddp

STEP = {
    "SLURM_JOB_ID": "4711",
    "SLURM_NTASKS": "8",
    "SLURM_STEP_ID": "0",
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_STEP_TASKS_PER_NODE": "4(x2)",
    "SLURM_STEP_NODELIST": "gpu[07,09]",
    "SLURM_PROCID": "5",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
}
TORCHRUN = {
    "RANK": "5",
    "WORLD_SIZE": "8",
    "LOCAL_RANK": "1",
    "LOCAL_WORLD_SIZE": "4",
    "GROUP_RANK": "1",
    "MASTER_ADDR": "gpu07",
    "MASTER_PORT": "29500",
}
FIFTH = World(rank=5, size=8, local_rank=1, local_size=4, node=1, address="gpu07", port=29500)
FOUR_OF_TWO_NODES = TrainerConfig(accelerator="cpu", strategy="ddp", devices=4, num_nodes=2)


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch):
    """Return a function that sets the variables of one launcher and removes those of all others."""

    for name in (*STEP, *TORCHRUN, "SUBMITIT_EXECUTOR"):
        monkeypatch.delenv(name, raising=False)

    def variables(found: dict[str, str]) -> None:
        for name, value in found.items():
            monkeypatch.setenv(name, value)

    return variables


def test_torchrun_tells_of_its_processes(variables) -> None:
    variables(TORCHRUN)
    assert started_world() == FIFTH
    assert is_follower() and FIFTH.nodes == 2 and str(FIFTH) == "8 processes on 2 nodes"


def test_srun_tells_of_its_tasks_and_lightning_hears_of_them(variables) -> None:
    variables(STEP | {"MASTER_PORT": "29500"})
    assert started_world() == FIFTH
    variables(dict.fromkeys(TORCHRUN, ""))  # so that they are restored after the test
    FIFTH.export()
    assert {name: os.environ[name] for name in TORCHRUN} == TORCHRUN
    environment = ddp(FIFTH, "cpu", find_unused_parameters=False).cluster_environment
    assert isinstance(environment, TorchElasticEnvironment)
    assert (environment.global_rank(), environment.local_rank(), environment.node_rank()) == (5, 1, 1)
    assert started_world() == FIFTH


def test_the_tasks_of_a_step_meet_at_one_port_and_those_of_another_at_another(variables) -> None:
    ports = []
    for rank, step in ((0, 0), (5, 0), (0, 1)):
        variables(STEP | {"SLURM_PROCID": str(rank), "SLURM_STEP_ID": str(step)})
        world = started_world()
        assert world is not None
        ports.append(world.port)
    assert ports[0] == ports[1] != ports[2]


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("gpu07", "gpu07"), ("a1,b[2-3]", "a1"), ("rack2n[08-11,20],login", "rack2n08"), ("n[3]", "n3")],
)
def test_rank_0_is_on_the_first_node(variables, nodes: str, first: str) -> None:
    variables(STEP | {"SLURM_STEP_NODELIST": nodes})
    world = started_world()
    assert world is not None and world.address == first


@pytest.mark.parametrize(
    "found",
    [
        {},
        {name: value for name, value in STEP.items() if "STEP" not in name} | {"SLURM_PROCID": "0"},
        STEP | {"SLURM_STEP_NUM_TASKS": "1", "SLURM_STEP_TASKS_PER_NODE": "1", "SLURM_PROCID": "0"},
        TORCHRUN | {"WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1", "RANK": "0"},
    ],
    ids=["nothing", "batch script", "one task", "one process"],
)
def test_one_process_is_alone(variables, found: dict[str, str]) -> None:
    variables(found)
    assert started_world() is None and not is_follower()


@pytest.mark.parametrize(
    "found",
    [
        STEP | {"SLURM_STEP_NUM_TASKS": "7", "SLURM_STEP_TASKS_PER_NODE": "4,3"},
        TORCHRUN | {"WORLD_SIZE": "7"},
    ],
    ids=["srun", "torchrun"],
)
def test_nodes_with_unequal_numbers_of_processes_are_refused(variables, found: dict[str, str]) -> None:
    variables(found)
    with pytest.raises(UserError, match="each node needs the same number"):
        started_world()


@pytest.mark.parametrize(
    ("choice", "world", "message"),
    [
        (
            {"devices": 8},
            FIFTH,
            r"trainer\.devices=8, but 8 processes on 2 nodes: start one process for each",
        ),
        ({"num_nodes": 1}, FIFTH, r"trainer\.num_nodes=1, but 8 processes on 2 nodes"),
    ],
)
def test_a_world_that_was_not_asked_for_is_refused(
    choice: dict[str, int], world: World, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        replace(FOUR_OF_TWO_NODES, **choice).require(world)


def test_a_world_that_was_asked_for_is_taken() -> None:
    FOUR_OF_TWO_NODES.require(FIFTH)
    FOUR_OF_TWO_NODES.require(None)  # such as stage=score, which trains nothing
