"""How is a client made from the API's description, checked by its language's own checker, and run?"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.servers.process import SERVERS
from tests.servers.used import absent, took_part

HERE = Path(__file__).resolve().parent
DESCRIPTION = HERE.parents[1] / "docs" / "openapi.json"
_TOOLS = SERVERS / "clients"
_SECONDS = 120


class PythonMaker:
    """openapi-python-client, mypy, Python; the client's libraries are the generator's own. Writes into ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._python = folder, _TOOLS / "python" / "bin" / "python"
        _must_be(self._python, "Python client")
        asked = "from importlib.metadata import version; print(version('openapi-python-client'))"
        took_part("Python client", f"openapi-python-client {_done([self._python, '-c', asked], folder).strip()}")

    def make(self, document: Mapping[str, Any]) -> str:
        """Make the client; returns what its generator said. A warning ends it: something would be lacking."""
        described = _written(document, self._folder)
        command = [self._python, "-m", "openapi_python_client", "generate", "--path", described]
        command += ["--config", HERE / "generator.yml", "--meta", "none", "--overwrite", "--fail-on-warning"]
        return _done([*command, "--output-path", self._folder / "opendrape_client"], self._folder)

    def check(self) -> str:
        """The program beside this file, type-checked with the client: what is wrong, nothing when all is well."""
        shutil.copy(HERE / "program.py", self._folder)
        command = [sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull, "--cache-dir"]
        command.append(str(self._folder.parent / "mypy"))  # what the libraries' types are is found out once
        return _faults([*command, "--python-executable", self._python, "program.py"], self._folder)

    def run(self, environment: Mapping[str, str]) -> Any:
        """Run the program; returns what it said."""
        return json.loads(_done([self._python, "program.py"], self._folder, environment))


class TypeScriptMaker:
    """openapi-typescript, tsc, node with openapi-fetch. Writes into ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._modules = folder, _TOOLS / "node_modules"
        if shutil.which("node") is None:
            absent("TypeScript", "node is not installed")
        _must_be(self._modules / "typescript", "TypeScript")
        for name in ("openapi-typescript", "openapi-fetch"):
            _must_be(self._modules / name, "TypeScript")
        took_part(
            "TypeScript", ", ".join(f"{name} {self._version(name)}" for name in ("openapi-typescript", "typescript"))
        )
        (folder / "node_modules").symlink_to(self._modules)

    def make(self, document: Mapping[str, Any]) -> str:
        """Make the types; returns what their generator said."""
        described = _written(document, self._folder)
        program = self._modules / "openapi-typescript" / "bin" / "cli.js"
        return _done(["node", program, described, "--output", self._folder / "opendrape.ts"], self._folder)

    def check(self) -> str:
        """The same; when all is well the program is there as JavaScript too."""
        shutil.copy(HERE / "program.ts", self._folder)
        (self._folder / "package.json").write_text('{"type": "module"}')
        options = ["--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--noEmitOnError"]
        options += ["--module", "nodenext", "--target", "es2022", "--lib", "es2022,dom,dom.iterable"]
        compiler = self._modules / "typescript" / "bin" / "tsc"
        return _faults(["node", compiler, *options, "--outDir", "made", "program.ts"], self._folder)

    def run(self, environment: Mapping[str, str]) -> Any:
        """Run the program; returns what it said."""
        return json.loads(_done(["node", "made/program.js"], self._folder, environment))

    def _version(self, name: str) -> str:
        return str(json.loads((self._modules / name / "package.json").read_text())["version"])


def _must_be(path: Path, name: str) -> None:
    if not path.exists():
        absent(name, "its tools are not installed; make servers")


def _written(document: Mapping[str, Any], folder: Path) -> Path:
    path = folder / "openapi.json"
    path.write_text(json.dumps(document))
    return path


def _done(command: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None) -> str:
    """What it said, a generator on stderr too; it must end well."""
    done = _ran(command, folder, environment)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout if environment else done.stdout + done.stderr


def _faults(command: Sequence[str | Path], folder: Path) -> str:
    done = _ran(command, folder)
    return "" if done.returncode == 0 else (done.stdout + done.stderr)[-3000:]


def _ran(
    command: Sequence[str | Path], folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=kept | dict(environment or {}),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )
