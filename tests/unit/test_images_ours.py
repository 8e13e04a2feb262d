"""S1, S2.2: what the Dockerfiles of the application and of the WebSocket service say, whatever they are built on."""

import json
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APP = ROOT / "images/app/Dockerfile"
WEBSOCKET = ROOT / "images/websocket/Dockerfile"

# What a build on other bases replaces by named contexts; nothing else may depend on a distribution.
REPLACED = {"flutter-builder", "php-base", "php-base-development"}


def instructions(file: Path) -> list[tuple[str, str]]:
    """Each instruction and what follows it, comments dropped and lines joined."""
    text = re.sub(r"^\s*#.*\n", "", file.read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(words[0], words[1]) for line in lines if line.strip() and (words := line.split(maxsplit=1))]


def stages(file: Path) -> dict[str, list[tuple[str, str]]]:
    """The instructions of each stage, its FROM first; stages without a name are numbered."""
    found: dict[str, list[tuple[str, str]]] = {}
    for instruction, rest in instructions(file):
        if instruction == "FROM":
            named = re.search(r" AS (\S+)$", rest)
            found[named[1] if named else str(len(found))] = current = [(instruction, rest)]
        elif found:
            current.append((instruction, rest))
    return found


def values(stage: list[tuple[str, str]], instruction: str) -> list[str]:
    return [rest for name, rest in stage if name == instruction]


def test_the_stages_follow_each_other_as_specified() -> None:
    """S1.1"""
    specified = ["flutter-builder", "php-base", "production", "development"]
    assert [name for name in stages(APP) if name in specified] == specified
    assert stages(APP)["production"][0] == ("FROM", "php-base AS production")


def test_versions_are_arguments_with_the_specified_defaults() -> None:
    """S1.1"""
    arguments = dict(rest.split("=") for name, rest in instructions(APP) if name == "ARG" and "=" in rest)
    assert arguments["FLUTTER_VERSION"] == "3.24.5"
    assert arguments["PHP_VERSION"] == "8.2"
    assert stages(APP)["flutter-builder"][0][1] == "ghcr.io/cirruslabs/flutter:${FLUTTER_VERSION} AS flutter-builder"
    assert stages(APP)["php-base"][0][1] == "docker.io/library/php:${PHP_VERSION}-fpm-alpine AS php-base"


@pytest.mark.parametrize("stage", sorted(stages(APP).keys() - REPLACED - {"vendor"}))
def test_only_stages_that_can_be_replaced_depend_on_a_distribution(stage: str) -> None:
    for command in values(stages(APP)[stage], "RUN"):
        assert not re.search(r"\b(apk|apt|apt-get|docker-php-ext|pecl|adduser|useradd)\b", command), command


@pytest.mark.parametrize("name", ["production", "development"])
def test_nothing_runs_as_root(name: str) -> None:
    """S1.2: a number, because Kubernetes can't know that a name isn't root's."""
    assert values(stages(APP)[name], "USER") == ["1000:1000"]
    assert values(stages(WEBSOCKET)[list(stages(WEBSOCKET))[-1]], "USER") == ["1000:1000"]


def test_dependencies_are_installed_without_development_and_before_the_code() -> None:
    """S1.3: a changed line of code must not install them again."""
    vendor = [f"{name} {rest}" for name, rest in stages(APP)["vendor"]]
    locked = next(
        i for i, line in enumerate(vendor) if line.startswith("COPY --from=application composer.json composer.lock")
    )
    install = next(i for i, line in enumerate(vendor) if line.startswith("RUN composer install --no-dev"))
    code = next(i for i, line in enumerate(vendor) if line.startswith("COPY --from=application src/"))
    assert locked < install < code
    assert any("composer install --no-dev --optimize-autoloader" in line for line in vendor[code:])


def test_the_source_tree_is_copied_in_one_stage_alone() -> None:
    """A named context replaces that stage by another tree, and nothing of the reference application may stay."""
    copying = {
        name
        for name, lines in stages(APP).items()
        for rest in values(lines, "COPY")
        if any(source.startswith("app/") for source in rest.split())
    }
    assert copying == {"application"}


def test_xdebug_is_for_development_only() -> None:
    """S1.4"""
    with_xdebug = {
        name for name, lines in stages(APP).items() if any("xdebug" in rest.lower() for _, rest in lines[1:])
    }
    assert with_xdebug == {"php-base-development", "development"}
    assert not any("php/ " in rest for rest in values(stages(APP)["production"], "COPY"))


@pytest.mark.parametrize("name", ["production", "development"])
def test_health_is_asked_as_specified(name: str) -> None:
    """S2.2: `curl -f /health`, every 30 s, time-out 10 s, 3 tries."""
    [check] = values(stages(APP)[name], "HEALTHCHECK")
    assert check.startswith("--interval=30s --timeout=10s --retries=3 CMD ")
    command = json.loads(check.split(" CMD ")[1])
    assert command[:2] == ["curl", "-f"]
    assert command[-1].endswith("/health")


def test_a_configuration_that_does_not_load_is_no_image() -> None:
    checks = " ".join(values(stages(APP)["production"], "RUN"))
    assert "php-fpm --test" in checks
    assert "nginx -t" in checks


def test_packages_of_the_websocket_service_are_locked_by_hash() -> None:
    assert "--require-hashes" in " ".join(values(stages(WEBSOCKET)["packages"], "RUN"))
    locked = (ROOT / "images/websocket/requirements.txt").read_text()
    for package in re.findall(r"^([a-z-]+)==", locked, re.MULTILINE):
        assert re.search(rf"^{package}==\S+( ;.*)? \\\n    --hash=sha256:", locked, re.MULTILINE), package


def test_the_build_context_has_only_what_the_dockerfile_copies() -> None:
    ignored = APP.with_name("Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in ignored if line and not line.startswith("#")]
    assert rules[0] == "*"
    admitted = {line[1:] for line in rules if line.startswith("!")}
    copied = {
        source.rstrip("/").split("*")[0].rstrip(".")
        for lines in stages(APP).values()
        for rest in values(lines, "COPY")
        if "--from" not in rest
        for source in rest.split()[:-1]
    }
    for source in copied:
        assert any(source == path or source.startswith(f"{path}/") for path in admitted), source
    for path in admitted:
        assert any(source == path or source.startswith(f"{path}/") for source in copied), path


def test_what_the_dockerfile_copies_is_in_the_repository() -> None:
    tracked = subprocess.run(["git", "ls-files", "app", "images"], cwd=ROOT, text=True, capture_output=True, check=True)
    files = tracked.stdout.splitlines()
    for lines in stages(APP).values():
        for rest in values(lines, "COPY"):
            for source in [] if "--from" in rest else rest.split()[:-1]:
                assert any(file.startswith(source.split("*")[0]) for file in files), source
