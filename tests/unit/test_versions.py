"""What is pinned in several places has one version: `docs/upgrading.md` has the places."""

import re
import tomllib

import pytest

from components.catalogue import CATALOGUE
from localcloud import toolchain
from localcloud.images import logs
from localcloud.plugins.docker import Docker
from localcloud.plugins.docker_build.provider import DockerBuild
from localcloud.plugins.kubernetes.provider import KubernetesProvider
from localcloud.plugins.provider import Provider
from localcloud.plugins.random import Random
from localcloud.plugins.tls import Tls
from tests.unit.recording import CHECKOUT

PACKAGES = dict(
    package.split("==")
    for package in tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["dependencies"]
    if "==" in package
)
PROGRAMS = {module.name: module.variables for module in (*toolchain.MODULES, *toolchain.ON_DEMAND)}


@pytest.mark.parametrize(
    ("package", "stand_in"),
    [
        ("pulumi-docker", Docker),
        ("pulumi-docker-build", DockerBuild),
        ("pulumi-kubernetes", KubernetesProvider),
        ("pulumi-random", Random),
        ("pulumi-tls", Tls),
    ],
)
def test_a_stand_in_has_the_version_of_the_package_that_asks_for_it(package: str, stand_in: type[Provider]) -> None:
    assert stand_in.version == PACKAGES[package]


@pytest.mark.parametrize(
    ("program", "module", "variable"),
    [
        ("pulumi", "github.com/pulumi/pulumi/pkg/v3", "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"),
        ("kubernetes", "k8s.io/kubernetes", "k8s.io/component-base/version.gitVersion"),
        ("buildkit", "github.com/moby/buildkit", "github.com/moby/buildkit/version.Version"),
        ("compose", "github.com/docker/compose/v2", "github.com/docker/compose/v2/internal.Version"),
        ("syft", "github.com/anchore/syft", "main.version"),
        ("grype", "github.com/anchore/grype", "main.version"),
        ("gitleaks", "github.com/zricethezav/gitleaks/v8", "github.com/zricethezav/gitleaks/v8/version.Version"),
        ("helm", "helm.sh/helm/v3", "helm.sh/helm/v3/internal/version.version"),
    ],
)
def test_a_program_says_the_version_that_it_is_built_from(program: str, module: str, variable: str) -> None:
    assert PROGRAMS[program][variable] == built_from(program, module)


def test_what_lists_an_images_parts_is_what_the_scan_of_them_knows() -> None:
    assert built_from("grype", "github.com/anchore/syft") == built_from("syft", "github.com/anchore/syft")


@pytest.mark.parametrize("program", ["pulumi", "code-generator"])
def test_the_engine_and_what_writes_code_for_it_have_the_version_of_the_package(program: str) -> None:
    assert built_from(program, "github.com/pulumi/pulumi/pkg/v3") == f"v{PACKAGES['pulumi']}"


def test_what_keeps_logs_is_built_in_the_versions_that_the_catalogue_names() -> None:
    loki, collector, jaeger = CATALOGUE["loki"], CATALOGUE["collector"], CATALOGUE["jaeger"]
    assert set(logs.IMAGES) == {loki.name, collector.name}
    assert built_from("loki", "github.com/grafana/loki/v3") == f"v{loki.tag}"
    receiver = "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/filelogreceiver"
    assert built_from("collector", receiver) == f"v{collector.tag}"
    assert set(logs.TRACES) == {jaeger.name}
    (told,) = PROGRAMS["jaeger"].values()
    assert told == f"v{jaeger.tag}"


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_what_is_pinned_is_locked_so(lock: str) -> None:
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (CHECKOUT / lock).read_text(), re.MULTILINE))
    assert {package: locked[package] for package in PACKAGES} == PACKAGES


def built_from(program: str, module: str) -> str:
    text = (CHECKOUT / "localcloud" / "toolchain" / program / "go.mod").read_text()
    (version,) = re.findall(rf"^\s*(?:require )?{re.escape(module)} (v\S+)", text, re.MULTILINE)
    return str(version)
