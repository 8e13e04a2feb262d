"""`make check-app`: the reference application keeps the contract, and an image that breaks a rule is found out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from typer.testing import CliRunner, Result

from localcloud import paths
from localcloud.cluster import layout, registry_up
from localcloud.docker import docker
from localcloud.images import buildkit, registry, stand_ins_up
from operations.check_app import app
from operations.conformance import bench
from operations.conformance.rules import Finding, check

pytestmark = pytest.mark.cluster

REFERENCE: Final = f"{registry.ADDRESS}/vision-week/app:conformance"
BROKEN: Final = f"{registry.ADDRESS}/vision-week/app-broken:conformance"
MUTE: Final = f"{registry.ADDRESS}/vision-week/app-mute:conformance"
MIRROR: Final = f"{registry.ADDRESS}/mirror"

LIMITS: Final = "/etc/vision-week/nginx/settings/limits.conf"

# Rule -> a line of a shell that breaks it, in an image of the reference application.
FAULTS: Final = {
    "migrations succeed again": "sed -i 's/exit(0)/exit($count === 0 ? 1 : 0)/' bin/migrate.php",
    "GET :8081/ready": "sed -i 's/(metrics|ready)/(metrics|redy)/' /etc/vision-week/nginx.conf",
    "GET :8080/config.json": "sed -i 's#= /config.json#= /config#' /etc/vision-week/nginx.conf",
    "security headers on every answer": "sed -i '/X-Frame-Options/d' /etc/vision-week/nginx/headers.conf",
    "HSTS under TLS alone": "sed -i 's/^    https \"max/    default \"max/' /etc/vision-week/nginx/headers.conf",
    "request id": "sed -i 's/default $request_id/default $http_x_request_id/' /etc/vision-week/nginx/headers.conf",
    "limit of bodies": f"sed -i 's/client_max_body_size .*/client_max_body_size 100m;/' {LIMITS}",
    "limit of /api": f"sed -i 's/zone=api burst=20/zone=api burst=9999/' {LIMITS}",
    "metrics and details are not public": "sed -i 's#location = /logout {#location = /live { return 200 ok; } &#' "
    "/etc/vision-week/nginx.conf",
    "log of nginx": "sed -i 's#/dev/stdout json if=$logged#/dev/stdout combined#' /etc/vision-week/nginx/log.conf",
    "log of php": "sed -i 's/json_encode($line + $fields, $flags)/\"hello\"/' src/Log.php",
    "metrics": "sed -i 's/vision_week_http_request_duration_seconds/duration/' src/Metrics.php",
}

# What its own description breaks: a stop signal at which PHP-FPM drops what it has begun, a token, root. And what a
# /ready that isn't there can't tell.
DESCRIBED: Final = (
    "runs as 1000:1000",
    "stops by SIGQUIT",
    "php ends gracefully",
    "holds no secret",
    "tells alive from ready",
)


def quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module", autouse=True)
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The reference application, and two that were made from it; the engine forgets what it pulled of them."""
    registry_up(quiet)
    contexts = stand_ins_up(quiet)
    buildkit.buildkit_up(quiet)
    reference = paths.CHECKOUT / "images/app/Dockerfile"
    wanted = buildkit.Build(
        dockerfile=reference, context=paths.CHECKOUT, contexts=contexts, names=[REFERENCE], target="production"
    )
    buildkit.build(wanted, quiet)
    faults = " && ".join(FAULTS.values())
    _derived(
        tmp_path_factory.mktemp("broken"), BROKEN, f"USER 0\nRUN {faults}\nENV API_TOKEN=x\nSTOPSIGNAL SIGTERM\nUSER 0"
    )
    _derived(tmp_path_factory.mktemp("mute"), MUTE, "USER 0\nRUN rm /etc/vision-week/php-fpm.conf\nUSER 1000:1000")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_CONFIG", str(layout.credentials()))
        yield
        docker("image", "rm", "--force", REFERENCE, BROKEN, MUTE)


def _derived(folder: Path, name: str, lines: str) -> None:
    (folder / "Dockerfile").write_text(f"FROM {REFERENCE}\n{lines}\n")
    buildkit.build(buildkit.Build(dockerfile=folder / "Dockerfile", names=[name]), quiet)


def findings(image: str) -> dict[str, Finding]:
    place = f"{MIRROR}/docker.io/library"
    with bench.bench(image, database=f"{place}/postgres:15-bookworm", store=f"{place}/redis:7.4-bookworm") as made:
        return {finding.rule: finding for finding in check(made)}


@pytest.fixture(scope="module")
def broken(images: None) -> dict[str, Finding]:  # noqa: ARG001  # they are there
    return findings(BROKEN)


def called(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [*arguments, "--mirror", MIRROR])


def test_the_reference_application_keeps_every_rule() -> None:
    done = called(REFERENCE)
    assert done.exit_code == 0, done.output
    assert "not met" not in done.output
    assert "all met" in done.output


@pytest.mark.parametrize("rule", [*FAULTS, *DESCRIBED])
def test_a_rule_that_is_broken_is_found_out(broken: dict[str, Finding], rule: str) -> None:
    finding = broken[rule]
    assert not finding.met, finding
    assert finding.seen
    assert finding.todo


def test_what_is_in_order_is_not_blamed(broken: dict[str, Finding]) -> None:
    kept = {rule for rule, finding in broken.items() if finding.met}
    assert {
        "migrations succeed",
        "GET :8081/live",
        "GET :8081/metrics",
        "reads secrets from files",
        "writes nowhere else",
    } <= kept


def test_an_image_that_does_not_start_is_told_of_with_its_last_words_and_nothing_stays_behind() -> None:
    before = docker("ps", "--all", "--quiet")
    done = called(MUTE)
    assert docker("ps", "--all", "--quiet") == before
    assert done.exit_code == 1
    assert "php ended" in done.output
    assert "php-fpm.conf" in done.output


def test_an_image_that_is_not_there_is_no_verdict() -> None:
    done = called(f"{registry.ADDRESS}/vision-week/nowhere:v1")
    assert done.exit_code == 2
    assert "can't be tried" in done.output
