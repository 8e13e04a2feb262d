"""The language host: how the Pulumi engine runs programs written in Python.

It stands in for `pulumi-language-python`. For each preview and update the program runs in a process of its own, on the
project's Python (`localcloud.program`); what it prints goes to the engine as it comes.
"""

# ruff: noqa: N802, ARG002  the protocol's names and arguments

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import IO, Any, Literal, NoReturn

import grpc
from google.protobuf import empty_pb2, json_format

from localcloud import interpreter, toolchain
from localcloud.interpreter import Interpreter
from localcloud.plugins import process
from localcloud.plugins.protocol import language_pb2, language_pb2_grpc, plugin_pb2
from localcloud.problem import Problem

_TOLD = 32  # `localcloud.program` exits with it when the person has seen the reason
_PROGRAM = Path(__file__).with_name("program.py")

_Line = tuple[Literal["stdout", "stderr"], bytes]


class LanguageHost(language_pb2_grpc.LanguageRuntimeServicer):
    """The protocol's methods; writing SDKs and packing them, which are for authors of packages, are not among them."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._running: set[subprocess.Popen[bytes]] = set()
        self._cancelled = threading.Event()

    # What it is and what the project has.

    def Handshake(
        self, request: language_pb2.LanguageHandshakeRequest, context: grpc.ServicerContext
    ) -> language_pb2.LanguageHandshakeResponse:
        self._engine = request.engine_address or self._engine
        return language_pb2.LanguageHandshakeResponse()

    def GetPluginInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=metadata.version("pulumi"))

    def About(self, request: language_pb2.AboutRequest, context: grpc.ServicerContext) -> language_pb2.AboutResponse:
        python = _python(request.info, context)
        return language_pb2.AboutResponse(executable=str(python.executable), version=python.version())

    def RuntimeOptionsPrompts(
        self, request: language_pb2.RuntimeOptionsRequest, context: grpc.ServicerContext
    ) -> language_pb2.RuntimeOptionsResponse:
        return language_pb2.RuntimeOptionsResponse()

    def GetRequiredPackages(
        self, request: language_pb2.GetRequiredPackagesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetRequiredPackagesResponse:
        packages = [
            plugin_pb2.PackageDependency(
                kind="resource",
                name=package["name"],
                version=f"v{package['version'].removeprefix('v')}",
                server=package.get("server", ""),
            )
            for package in _python(request.info, context).pulumi_packages()
        ]
        return language_pb2.GetRequiredPackagesResponse(packages=packages)

    def GetProgramDependencies(
        self, request: language_pb2.GetProgramDependenciesRequest, context: grpc.ServicerContext
    ) -> language_pb2.GetProgramDependenciesResponse:
        found = _python(request.info, context).distributions(transitive=request.transitiveDependencies)
        return language_pb2.GetProgramDependenciesResponse(
            dependencies=[language_pb2.DependencyInfo(name=name, version=version) for name, version in found]
        )

    def InstallDependencies(
        self, request: language_pb2.InstallDependenciesRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.InstallDependenciesResponse]:
        directory = Path(request.info.program_directory or request.directory)
        python = _chosen(request.info, context)
        for command in interpreter.installation(python, directory):
            with self._start(command, python.environment(os.environ), directory) as child:
                for stream, line in _lines(child):
                    yield language_pb2.InstallDependenciesResponse(**{stream: line})
            if child.returncode != 0:
                context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"{' '.join(command)} failed")

    # Running.

    def Run(self, request: language_pb2.RunRequest, context: grpc.ServicerContext) -> language_pb2.RunResponse:
        python = _python(request.info, context)
        command = [
            str(python.executable),
            "-u",
            str(_PROGRAM),
            f"--monitor={request.monitor_address}",
            f"--engine={self._engine}",
            f"--project={request.project}",
            f"--stack={request.stack}",
            f"--organization={request.organization or 'organization'}",
            f"--root-directory={request.info.root_directory}",
            f"--directory={request.pwd}",
            f"--parallel={request.parallel}",
            *(["--dry-run"] if request.dryRun else []),
            "--",
            str(Path(request.info.program_directory) / request.info.entry_point),
            *request.args,
        ]
        environment = {
            **python.environment(os.environ),
            "PULUMI_CONFIG": json.dumps(dict(request.config)),
            "PULUMI_CONFIG_SECRET_KEYS": json.dumps(list(request.configSecretKeys)),
        }
        with self._nursery(), self._start(command, environment, Path(request.pwd), pipes=False) as child:
            code = child.wait()
        if self._cancelled.is_set() or code == _TOLD:
            return language_pb2.RunResponse(bail=True)
        if code < 0:
            return language_pb2.RunResponse(error=f"Program was ended by {signal.Signals(-code).name}")
        return language_pb2.RunResponse(error=f"Program exited with non-zero exit code: {code}" if code else "")

    def RunPlugin(
        self, request: language_pb2.RunPluginRequest, context: grpc.ServicerContext
    ) -> Iterator[language_pb2.RunPluginResponse]:
        python = _python(request.info, context)
        command = [str(python.executable), "-u", request.info.program_directory, *request.args]
        base = dict(variable.split("=", 1) for variable in request.env) if request.env else os.environ
        with self._start(command, python.environment(base), Path(request.pwd)) as child:
            context.add_callback(child.terminate)
            for stream, line in _lines(child):
                if stream == "stdout":
                    yield language_pb2.RunPluginResponse(stdout=line)
                else:
                    yield language_pb2.RunPluginResponse(stderr=line)
            yield language_pb2.RunPluginResponse(exitcode=child.wait())

    # Writing.

    def GenerateProgram(
        self, request: language_pb2.GenerateProgramRequest, context: grpc.ServicerContext
    ) -> language_pb2.GenerateProgramResponse:
        """The code that `pulumi import` prints. What writes it is Pulumi's own, and Go."""
        try:
            generator = toolchain.binary("code-generator")
        except Problem as problem:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(problem))
        done = subprocess.run([generator], input=request.SerializeToString(), capture_output=True, check=False)
        if done.returncode != 0:
            context.abort(grpc.StatusCode.INTERNAL, done.stderr.decode(errors="replace").strip())
        return language_pb2.GenerateProgramResponse.FromString(done.stdout)

    # Stopping.

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        self.stop()
        return empty_pb2.Empty()

    def _unimplemented(self, request: Any, context: grpc.ServicerContext) -> NoReturn:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "the local language host has no such method")
        raise AssertionError  # every abort raises

    GetRequiredPlugins = Template = GenerateProject = GeneratePackage = Pack = Link = _unimplemented

    def stop(self) -> None:
        """End whatever runs."""
        self._cancelled.set()
        for child in list(self._running):
            child.terminate()

    @contextmanager
    def _nursery(self) -> Iterator[None]:
        """Plugins start quickly meanwhile; slowly they do anyway."""
        command = [sys.executable, "-P", "-m", "localcloud.plugins.nursery", self._engine]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as nursery:  # at the end of stdin it ends
            try:
                yield
            finally:
                nursery.terminate()

    def _start(
        self, command: list[str], environment: Mapping[str, str], directory: Path, *, pipes: bool = True
    ) -> "_Child":
        return _Child(command, environment, directory, pipes=pipes, running=self._running)


class _Child(subprocess.Popen[bytes]):
    """A process that is among `running` while it runs."""

    def __init__(
        self,
        command: list[str],
        environment: Mapping[str, str],
        directory: Path,
        *,
        pipes: bool,
        running: set[subprocess.Popen[bytes]],
    ) -> None:
        output = subprocess.PIPE if pipes else None
        super().__init__(
            command, env=environment, cwd=directory, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        self._all = running
        running.add(self)

    def __exit__(self, *arguments: Any) -> None:
        super().__exit__(*arguments)
        self._all.discard(self)


def _lines(child: subprocess.Popen[bytes]) -> Iterator[_Line]:
    """Both outputs of a process, line by line, as they come."""
    said: queue.SimpleQueue[_Line | None] = queue.SimpleQueue()

    def listen(name: Literal["stdout", "stderr"], stream: IO[bytes]) -> None:
        for line in stream:
            said.put((name, line))
        said.put(None)

    assert child.stdout is not None  # noqa: S101  pipes were asked for
    assert child.stderr is not None  # noqa: S101
    threading.Thread(target=listen, args=("stdout", child.stdout), daemon=True).start()
    threading.Thread(target=listen, args=("stderr", child.stderr), daemon=True).start()
    for _ in range(2):
        while (line := said.get()) is not None:
            yield line
    child.wait()


def _chosen(info: language_pb2.ProgramInfo, context: grpc.ServicerContext) -> Interpreter:
    try:
        return interpreter.of_project(Path(info.root_directory), json_format.MessageToDict(info.options))
    except Problem as problem:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(problem))
        raise


def _python(info: language_pb2.ProgramInfo, context: grpc.ServicerContext) -> Interpreter:
    """The project's Python, made first if it isn't there."""
    python = _chosen(info, context)
    try:
        if interpreter.missing(python):
            for command in interpreter.installation(python, Path(info.program_directory)):
                subprocess.run(command, cwd=info.program_directory, check=True, stdin=subprocess.DEVNULL)
    except (Problem, subprocess.CalledProcessError) as problem:
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(problem))
    return python


def main() -> None:
    """Serve the engine whose address is the last argument."""
    host = LanguageHost(next((argument for argument in sys.argv[1:] if not argument.startswith("-")), ""))
    process.serve(
        lambda server: language_pb2_grpc.add_LanguageRuntimeServicer_to_server(host, server), on_end=host.stop
    )


if __name__ == "__main__":
    main()
