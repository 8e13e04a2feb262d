"""The programs of a Kubernetes and of Pulumi, built from Go modules.

Each folder beside this file is a Go module that pins what it builds by version (go.mod) and content (go.sum). A built
binary is kept under a key made of everything that went into it, so a second checkout, or the next run, builds nothing.
An interrupted build leaves nothing behind but Go's own build cache, from which the next one carries on.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from localcloud import paths
from localcloud.problem import Problem
from localcloud.toolchain import go
from localcloud.toolchain.place import one_builder

SOURCES = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Module:
    """One Go module and the commands that are built from it.

    packages: name of the binary -> import path of its command.
    variables: linker variables, the versions that the programs tell of themselves.
    space: GiB on the disk that a first build takes: the modules, Go's build cache, the binaries.
    """

    name: str
    packages: Mapping[str, str]
    variables: Mapping[str, str] = field(default_factory=dict)
    space: float = 1

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
        space=3.5,
    ),
    Module(
        name="pulumi",
        packages={"pulumi": "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"},
        variables={"github.com/pulumi/pulumi/sdk/v3/go/common/version.Version": "v3.259.0"},
        space=3,
    ),
    Module(name="metrics-server", packages={"metrics-server": "sigs.k8s.io/metrics-server/cmd/metrics-server"}),
    Module(
        name="buildkit",
        packages={name: f"github.com/moby/buildkit/cmd/{name}" for name in ("buildctl", "buildkitd")},
        variables={"github.com/moby/buildkit/version.Version": "v0.34.2"},
        space=1.5,
    ),
    Module(name="coredns", packages={"coredns": "vision-week/localcloud/toolchain/coredns"}),
    Module(name="etcd", packages={"etcd": "go.etcd.io/etcd/server/v3"}),
    Module(
        name="volume-provisioner",
        packages={"volume-provisioner": "vision-week/localcloud/toolchain/volume-provisioner"},
    ),
    Module(
        name="policy-enforcer",
        packages={"policy-enforcer": "vision-week/localcloud/toolchain/policy-enforcer"},
        space=0.25,
    ),
    Module(name="pause", packages={"pause": "vision-week/localcloud/toolchain/pause"}, space=0.25),
)
ALL = tuple(name for module in MODULES for name in module.packages)

VERTICAL_POD_AUTOSCALER = Module(
    name="vertical-pod-autoscaler",
    packages={
        f"vpa-{name}": f"k8s.io/autoscaler/vertical-pod-autoscaler/pkg/{name}"
        for name in ("admission-controller", "recommender", "updater")
    },
)

LOKI = Module(name="loki", packages={"loki": "github.com/grafana/loki/v3/cmd/loki"}, space=3)
JAEGER = Module(
    name="jaeger",
    packages={"jaeger": "github.com/jaegertracing/jaeger/cmd/jaeger"},
    variables={"github.com/jaegertracing/jaeger/internal/version.latestVersion": "v2.13.0"},
    space=3,
)
COLLECTOR = Module(
    name="collector", packages={"otelcol-contrib": "vision-week/localcloud/toolchain/collector"}, space=3
)

# What scans images. `grype-database` writes small databases, for tests.
SCANNERS = (
    Module(
        name="syft",
        packages={
            "syft": "github.com/anchore/syft/cmd/syft",
            "crane": "github.com/google/go-containerregistry/cmd/crane",
        },
        variables={"main.version": "v1.42.3"},
        space=2,
    ),
    Module(
        name="grype",
        packages={
            "grype": "github.com/anchore/grype/cmd/grype",
            "grype-database": "vision-week/localcloud/toolchain/grype",
        },
        variables={"main.version": "v0.110.0"},
        space=2,
    ),
    Module(
        name="gitleaks",
        packages={"gitleaks": "github.com/zricethezav/gitleaks/v8"},
        variables={"github.com/zricethezav/gitleaks/v8/version.Version": "v8.30.1"},
        space=0.5,
    ),
)

# Built when a command or a test wants them.
ON_DEMAND = (
    Module(
        name="code-generator",
        packages={"code-generator": "vision-week/localcloud/toolchain/code-generator"},
    ),
    Module(
        name="compose",
        packages={"docker-compose": "github.com/docker/compose/v2/cmd"},
        variables={"github.com/docker/compose/v2/internal.Version": "v2.40.3"},
        space=1.5,
    ),
    Module(name="actionlint", packages={"actionlint": "github.com/rhysd/actionlint/cmd/actionlint"}, space=0.25),
    Module(name="cyclonus", packages={"cyclonus": "vision-week/localcloud/toolchain/cyclonus"}),
    Module(name="fake-gcs-server", packages={"fake-gcs-server": "github.com/fsouza/fake-gcs-server"}, space=1.5),
    Module(
        name="gcsfuse",
        packages={
            "gcsfuse": "github.com/googlecloudplatform/gcsfuse/v3",
            "gcsfuse-csi-driver": "vision-week/localcloud/toolchain/gcsfuse",
        },
        space=1.5,
    ),
    Module(
        name="google-stand-in",
        packages={"google-stand-in": "vision-week/localcloud/toolchain/google-stand-in"},
        space=0.25,
    ),
    Module(name="policy-probe", packages={"policy-probe": "vision-week/localcloud/toolchain/policy-probe"}, space=0.25),
    VERTICAL_POD_AUTOSCALER,
    Module(name="k6", packages={"k6": "go.k6.io/k6"}),
    Module(
        name="helm",
        packages={"helm": "helm.sh/helm/v3/cmd/helm"},
        variables={"helm.sh/helm/v3/internal/version.version": "v3.22.0"},
        space=1.5,
    ),
    LOKI,
    COLLECTOR,
    JAEGER,
    *SCANNERS,
)

# Not programs: files that are wanted of a module.
GATEWAY_API = Module(name="gateway-api", packages={})


def binary(name: str) -> Path:
    """The path of one program, built first if need be.

    Raises `Problem` when it cannot be built, and KeyError for a name that is not among them.
    """
    return build([name])[name]


def build(names: Iterable[str] = ALL, progress: Callable[[str], None] = lambda _: None) -> dict[str, Path]:
    """Build what is missing of `names`, two modules at a time, and give the path of each."""
    wanted = set(names)
    modules = [module for module in (*MODULES, *ON_DEMAND) if wanted & module.packages.keys()]
    if unknown := wanted.difference(*(module.packages for module in modules)):
        raise KeyError(f"no such program in the toolchain: {', '.join(sorted(unknown))}")
    built: dict[str, Path] = {name: _folder(module) / name for module in modules for name in module.packages}
    missing = [module for module in modules if not all(built[name].exists() for name in module.packages)]
    if missing:
        _check_space(missing)
        progress("looking for Go")
        go.command()
        counts = {module.name: "waiting" for module in missing}

        def tell(module: str, text: str) -> None:
            counts[module] = text
            progress(", ".join(f"{name} {text}" for name, text in counts.items() if text not in ("done", "waiting")))

        compilers = go.Compilers()
        with ThreadPoolExecutor(max_workers=2) as pool:
            try:
                builds = [pool.submit(_build, module, tell, compilers) for module in missing]
                # Python hears an interrupt that came just before it began to wait when the wait is over.
                while wait(builds, timeout=1, return_when=FIRST_EXCEPTION).not_done and not any(map(_failed, builds)):
                    continue
                for future in builds:
                    future.cancel()  # what hasn't begun, when another one has failed
                for future in filter(_failed, builds):
                    future.result()
            except KeyboardInterrupt:
                pool.shutdown(wait=False, cancel_futures=True)
                compilers.end()
                raise
    return {name: path for name, path in built.items() if name in wanted}


def _failed(build: Future[None]) -> bool:
    return build.done() and not build.cancelled() and build.exception() is not None


def sources(module: Module, path: str) -> Path:
    """The folder of a Go module's own files, downloaded and compared with what go.sum says of them."""
    command = [go.command(), "mod", "download", "-json", path]
    done = subprocess.run(command, cwd=module.folder, env=go.environment(), capture_output=True, text=True, check=False)
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


def _build(module: Module, tell: Callable[[str, str], None], compilers: go.Compilers) -> None:
    target = _folder(module)
    with one_builder(target) as folder:
        if folder:
            for name, package in module.packages.items():
                _compile(module, package, folder / name, partial(tell, module.name), compilers)
    tell(module.name, "done")


def _compile(
    module: Module,
    package: str,
    target: Path,
    tell: Callable[[str], None],
    compilers: go.Compilers,
) -> None:
    # The linker leaves out what debuggers want; the compiler needn't make it.
    stripped = ["-gcflags=all=-dwarf=false", "-ldflags", module.linker_flags]
    words = ["build", "-v", "-trimpath", *stripped, "-o", str(target), package]
    lines: list[str] = []
    with compilers.start(words, module.folder) as process:
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


def _check_space(modules: Sequence[Module]) -> None:
    """Refuse to begin what the disk can't hold. What Go compiles, the larger part, is in a cache of its own."""
    needed = sum(module.space for module in modules)
    for place in (paths.cache(), Path(os.environ.get("GOCACHE") or paths.cache().with_name("go-build"))):
        place.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(place).free / 1024**3
        if free < needed:
            raise Problem(
                f"{place} has {free:.1f} GiB free; building {', '.join(module.name for module in modules)} "
                f"takes {needed:.4g} GiB.",
                "Make room there, or set XDG_CACHE_HOME to a folder on a larger disk.",
            )
