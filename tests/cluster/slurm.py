"""A real SLURM of one node on the loopback, with all its files in one folder.

    python -m tests.cluster.slurm <folder>      # prints the variables to export; runs until it is ended

The module starts munged, slurmctld and slurmd as the calling user, who thereby is SLURM's administrator.
"""

import getpass
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from tests.ports import free_port

PROGRAMS = "munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel", "scontrol"
SYSTEM = "/usr/sbin:/sbin"
"""Folders of the daemons, which the path of a user may lack."""
START = 60.0
"""Timeout in seconds until the node is idle."""
CONFIG = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
ReturnToService=2
JobRequeue=1
KillWait=2
MinJobAge=3600
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=64000
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
# Full accounting needs a database. The controller remembers jobs long enough for a test.
SACCT = """\
#!{python}
import re, subprocess, sys
wanted = {{value for flag, value in zip(sys.argv, sys.argv[1:]) if flag == "-j"}}
print("JobID|State|NodeList")
for line in subprocess.check_output(["scontrol", "--oneliner", "show", "job"], text=True).splitlines():
    facts = dict(re.findall(r"(\\S+?)=(\\S*)", line))
    job = facts.get("ArrayJobId", facts.get("JobId"))
    if job in wanted:
        task = facts.get("ArrayTaskId", "")
        task = "_[" + task + "]" if re.search("[-,%]", task) else "_" + task if task else ""
        print(job + task + "|" + facts["JobState"] + "|" + facts.get("NodeList", ""))
"""


def missing() -> list[str]:
    """Return the programs of SLURM and munge that are not installed."""
    path = os.pathsep.join((os.environ.get("PATH", ""), SYSTEM))
    return [name for name in PROGRAMS if shutil.which(name, path=path) is None]


class Slurm:
    """A cluster that runs as long as the context lasts.

    Args:
        folder: Folder of its files; the name must be short, because the folder holds sockets.
        cpus: Number of CPUs that the node declares.
    """

    def __init__(self, folder: Path, cpus: int = 2) -> None:
        self.folder, self.cpus = folder, cpus
        self._daemons: list[subprocess.Popen[bytes]] = []
        path = os.pathsep.join((str(folder / "bin"), os.environ.get("PATH", ""), SYSTEM))
        self.environment = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": path}
        """Environment variables of a process that uses the cluster."""

    def __enter__(self) -> "Slurm":
        for name in ("munge", "state", "spool", "bin"):
            (self.folder / name).mkdir(parents=True, mode=0o755)
        (self.folder / "munge/key").write_bytes(os.urandom(128))
        (self.folder / "munge/key").chmod(0o400)
        (self.folder / "bin/sacct").write_text(SACCT.format(python=sys.executable))
        (self.folder / "bin/sacct").chmod(0o755)
        facts = {"host": platform.node().partition(".")[0], "user": getpass.getuser(), "folder": self.folder}
        ports = {"controller": free_port(), "daemon": free_port()}
        (self.folder / "slurm.conf").write_text(CONFIG.format(**facts, **ports, cpus=self.cpus))
        try:
            munge = [
                f"--{name}={self.folder}/munge/{name}"
                for name in ("socket", "pid-file", "log-file", "seed-file")
            ]
            self._start("munged", "--foreground", "--force", f"--key-file={self.folder}/munge/key", *munge)
            self._until(lambda: (self.folder / "munge/socket").exists())
            self._start("slurmctld", "-D")
            self._start("slurmd", "-D")
            self._until(
                lambda: self.call("sinfo", "--noheader", "--format=%t", check=False).strip() == "idle"
            )
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if len(self._daemons) == 3:
            self.call("scancel", f"--user={getpass.getuser()}", check=False)
            end = time.monotonic() + 20
            while self.call("squeue", "--noheader", check=False).strip() and time.monotonic() < end:
                time.sleep(0.5)
        for daemon in reversed(self._daemons):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def call(self, *command: str, check: bool = True) -> str:
        """Run one of SLURM's commands and return its output."""
        environment = os.environ | self.environment
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=check
        )
        return done.stdout

    def _start(self, program: str, *arguments: str) -> None:
        environment = os.environ | self.environment
        with (self.folder / f"{program}.out").open("wb") as out:
            command = [shutil.which(program, path=environment["PATH"]) or program, *arguments]
            self._daemons.append(subprocess.Popen(command, env=environment, stdout=out, stderr=out))

    def _until(self, ready: object) -> None:
        assert callable(ready)
        end = time.monotonic() + START
        while not ready():
            dead = [daemon.args for daemon in self._daemons if daemon.poll() is not None]
            if dead or time.monotonic() > end:
                said = {
                    path.name: path.read_text(errors="replace")[-1500:] for path in self.folder.glob("*.out")
                }
                raise RuntimeError(f"SLURM does not start; ended: {dead}; said: {said}")
            time.sleep(0.2)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Slurm(Path(sys.argv[1]).absolute()) as slurm:
        sys.stdout.writelines(f"export {name}={value}\n" for name, value in slurm.environment.items())
        sys.stdout.flush()
        try:
            while True:
                time.sleep(60)
        except KeyboardInterrupt:
            pass
