"""A real Ray cluster on the loopback: a head that runs no work, and nodes as separate processes."""

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

import psutil

RAY = Path(sys.executable).with_name("ray")
STORE = 80_000_000
"""Bytes of each node's object store; Ray takes no fewer than 75 MB."""
START = 90.0
"""Timeout in seconds for the start of all nodes."""
WAIT = """\
import sys, time, ray
ray.init(sys.argv[1], logging_level=40)
while ray.cluster_resources().get("CPU", 0) < int(sys.argv[2]):
    time.sleep(0.1)
"""


class RayCluster:
    """A cluster that runs as long as the context lasts.

    Args:
        folder: Folder of its files; the name must be short, because the folder holds sockets.
        nodes: Number of nodes, each with one CPU.
        cwd: Working directory of the nodes, which their workers inherit.
    """

    def __init__(self, folder: Path, nodes: int = 2, cwd: Path | None = None) -> None:
        self.folder, self.count, self.cwd = folder, nodes, cwd or folder
        self.nodes: list[psutil.Process] = []
        """Process of each running node, the head first."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        # Otherwise, a token in the home folder, left by any `ray.init`, decides whether a token is required.
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        self.environment = {"RAY_ADDRESS": self.address, "RAY_USAGE_STATS_ENABLED": "0"} | token
        """Environment variables of a process that uses the cluster."""

    def __enter__(self) -> "RayCluster":
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            head = "--head", f"--port={self.address.partition(':')[2]}", f"--temp-dir={self.folder}"
            self._start(*head, "--num-cpus=0", "--include-dashboard=false", "--disable-usage-stats")
            for number in range(self.count):
                self._until(number)
                self.add_node()
            self._until(self.count)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for node in reversed(self.nodes):
            _end(node)
        self.nodes.clear()

    def add_node(self) -> None:
        """Start one more node, with one CPU."""
        self._start(f"--address={self.address}", "--num-cpus=1")

    def kill_node_of(self, pid: int) -> None:
        """Kill the node that a process belongs to, with all processes of the node."""
        above = {process.pid for process in psutil.Process(pid).parents()}
        node = next(node for node in self.nodes if node.pid in above)
        self.nodes.remove(node)
        _end(node)

    def _start(self, *options: str) -> None:
        common = "--node-ip-address=127.0.0.1", f"--object-store-memory={STORE}", "--block"
        # Ray would kill workers for the memory that other processes of the machine use.
        environment = os.environ | self.environment | {"RAY_memory_monitor_refresh_ms": "0"}
        environment.pop("RAY_ADDRESS", None)
        with (self.folder / "nodes.out").open("ab") as out:
            started = subprocess.Popen(
                [str(RAY), "start", *options, *common], env=environment, cwd=self.cwd, stdout=out, stderr=out
            )
        self.nodes.append(psutil.Process(started.pid))

    def _until(self, nodes: int) -> None:
        """Wait until this number of nodes with a CPU is up."""
        end = time.monotonic() + START
        while True:
            done = subprocess.run(
                [sys.executable, "-c", WAIT, self.address, str(nodes)],
                env=os.environ | self.environment,
                capture_output=True,
                text=True,
                timeout=START,
            )
            if done.returncode == 0:
                return
            if time.monotonic() > end:
                said = (self.folder / "nodes.out").read_text()[-3000:]
                raise RuntimeError(f"Ray does not start: {done.stderr[-2000:]}\n{said}")
            time.sleep(0.5)


def _end(node: psutil.Process) -> None:
    """Kill a process and all its descendants."""
    try:
        family = [node, *node.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(family, timeout=20)
