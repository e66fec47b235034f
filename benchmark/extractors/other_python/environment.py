"""Look into another Python environment, for a package that conflicts with the versions pinned in this one."""

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property

from packaging.version import Version

from benchmark.errors import UserError

LOOK = """
import importlib.metadata, importlib.util, json, sys
module, package = sys.argv[1:]
try:
    version = importlib.metadata.version(package)
except importlib.metadata.PackageNotFoundError:
    version = ""
print(json.dumps([importlib.util.find_spec(module) is not None, version]))
"""
"""Code that says what an environment has without importing it."""
PATIENCE = 120.0
"""Seconds for the interpreter to start, which takes long on a network disk."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A Python environment that must hold one package.

    Attributes:
        python: Path of the interpreter; None for the running one.
        setting: Setting that holds `python`, for messages: "asr.python".
        module: Import name of the package.
        package: Name of the package for pip.
        extra: Extra of the package that is needed; empty for none.
        least: Lowest version that has the functions used.
    """

    python: str | None
    setting: str
    module: str
    package: str
    extra: str = ""
    least: str

    @property
    def interpreter(self) -> str:
        """Path of the interpreter."""
        return self.python or sys.executable

    @cached_property
    def version(self) -> str:
        """Version of the package.

        Raises:
            UserError: the interpreter cannot be started, or the package is missing or too old.
        """
        has_module, version = self._look()
        if not has_module or not version:
            raise UserError(f"{self.interpreter} has no package {self.package}: {self._next_step}")
        if Version(version) < Version(self.least):
            raise UserError(
                f"{self.interpreter} has {self.package} {version}, at least {self.least} is needed: "
                f"{self._next_step}"
            )
        return version

    def _look(self) -> tuple[bool, str]:
        try:
            found = subprocess.run(
                [self.interpreter, "-c", LOOK, self.module, self.package],
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=True,
                stdin=subprocess.DEVNULL,
            )
            has_module, version = json.loads(found.stdout.splitlines()[-1])
        except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0][-80:]
            raise UserError(
                f"{self.setting}={self.interpreter} is no Python that runs ({reason}): {self._next_step}"
            ) from error
        return has_module, version

    @property
    def requirement(self) -> str:
        """The package as pip is asked for it."""
        extra = f"[{self.extra}]" if self.extra else ""
        return f"{self.package}{extra}>={self.least}"

    @property
    def _next_step(self) -> str:
        """Command that makes an environment, as installing here would break the pinned versions."""
        return (
            f"python -m venv {self.module}_env && {self.module}_env/bin/pip install '{self.requirement}', "
            f"then {self.setting}={self.module}_env/bin/python"
        )
