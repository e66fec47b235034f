"""A real Ray cluster on the loopback: a head without work of its own, and nodes as separate processes."""

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
"""Seconds that all nodes may take."""


class RayCluster:
    """The cluster, as long as the context lasts.

    Args:
        folder: Where its files go; of a short name, for it holds sockets.
        nodes: How many, each with one CPU.
        cwd: Where nodes are started, from which their workers inherit it.
    """

    def __init__(self, folder: Path, nodes: int = 2, cwd: Path | None = None) -> None:
        self.folder, self.count, self.cwd = folder, nodes, cwd or folder
        self.nodes: list[psutil.Process] = []
        """The process of each node that is left, the head's first."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{probe.getsockname()[1]}"
        # Otherwise a token in the home folder, which any `ray.init` leaves there, decides who asks for one.
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        self.environment = {"RAY_ADDRESS": self.address, "RAY_USAGE_STATS_ENABLED": "0"} | token
        """What a process needs in order to use it."""

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
        """One more, with one CPU."""
        self._start(f"--address={self.address}", "--num-cpus=1")

    def kill_node_of(self, pid: int) -> None:
        """End, at once and with all its processes, the node that a process belongs to."""
        above = {process.pid for process in psutil.Process(pid).parents()}
        node = next(node for node in self.nodes if node.pid in above)
        self.nodes.remove(node)
        _end(node)

    def _start(self, *options: str) -> None:
        common = "--node-ip-address=127.0.0.1", f"--object-store-memory={STORE}", "--block"
        # Tests share their machine with others, for whose memory Ray would kill workers here.
        environment = os.environ | self.environment | {"RAY_memory_monitor_refresh_ms": "0"}
        environment.pop("RAY_ADDRESS", None)
        with (self.folder / "nodes.out").open("ab") as out:
            started = subprocess.Popen(
                [str(RAY), "start", *options, *common], env=environment, cwd=self.cwd, stdout=out, stderr=out
            )
        self.nodes.append(psutil.Process(started.pid))

    def _until(self, nodes: int) -> None:
        """Wait until so many nodes with a CPU are up."""
        question = "import ray, sys; ray.init(sys.argv[1], logging_level=40); print(ray.cluster_resources())"
        end = time.monotonic() + START
        while True:
            done = subprocess.run(
                [sys.executable, "-c", question, self.address],
                env=os.environ | self.environment,
                capture_output=True,
                text=True,
                timeout=60,
            )
            if done.returncode == 0 and f"'CPU': {nodes}.0" in (done.stdout if nodes else "'CPU': 0.0"):
                return
            if time.monotonic() > end:
                said = (self.folder / "nodes.out").read_text()[-3000:]
                raise RuntimeError(f"Ray does not start: {done.stderr[-2000:]}\n{said}")
            time.sleep(0.5)


def _end(node: psutil.Process) -> None:
    """Kill a process and all below it."""
    try:
        family = [node, *node.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(family, timeout=20)
