"""`make check-app`: the reference application keeps the contract, and an image that breaks a rule is found out."""

from collections.abc import Iterator, Mapping
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
WORSE: Final = f"{registry.ADDRESS}/vision-week/app-worse:conformance"
MUTE: Final = f"{registry.ADDRESS}/vision-week/app-mute:conformance"
MIRROR: Final = f"{registry.ADDRESS}/mirror"

LIMITS: Final = "/etc/vision-week/nginx/settings/limits.conf"
NGINX: Final = "/etc/vision-week/nginx.conf"

# Rule -> a line of a shell that breaks it, in an image of the reference application.
FAULTS: Final = {
    "migrations succeed again": "sed -i 's/exit(0)/exit($count === 0 ? 1 : 0)/' bin/migrate.php",
    "GET :8081/ready": f"sed -i 's/(metrics|ready)/(metrics|redy)/' {NGINX}",
    "GET :8080/config.json": f"sed -i 's#= /config.json#= /config#' {NGINX}",
    "security headers on every answer": "sed -i '/X-Frame-Options/d' /etc/vision-week/nginx/headers.conf",
    "HSTS under TLS alone": "sed -i 's/^    https \"max/    default \"max/' /etc/vision-week/nginx/headers.conf",
    "request id": "sed -i 's/default $request_id/default $http_x_request_id/' /etc/vision-week/nginx/headers.conf",
    "limit of bodies": f"sed -i 's/client_max_body_size .*/client_max_body_size 100m;/' {LIMITS}",
    "limit of /api": f"sed -i 's/zone=api burst=20/zone=api burst=9999/' {LIMITS}",
    "metrics and details are not public": "sed -i 's#location = /logout {#location = /live { return 200 ok; } &#' "
    + NGINX,
    "log of nginx": "sed -i 's#/dev/stdout json if=$logged#/dev/stdout combined#' /etc/vision-week/nginx/log.conf",
    "log of php": "sed -i 's/json_encode($line + $fields, $flags)/\"hello\"/' src/Log.php",
    "metrics": "sed -i 's/vision_week_http_request_duration_seconds/duration/' src/Metrics.php",
}

# The same for another image: one that never begins well, and whose migrations end badly, can't show the rest.
MORE_FAULTS: Final = {
    "migrations succeed": "sed -i 's/exit(0)/exit(1)/' bin/migrate.php",
    "GET :8080/": f"sed -i '0,/location . {{/s##location = / {{ return 404; }} &#' {NGINX}",
    "GET :8080/api/health": "sed -i '/function brief/,/^    }/s#Response::json.*, \\(.ok.*\\))#"
    'new Response(\\1, "ok", ["Content-Type" => "text/plain"])#\' src/Health/HealthRoutes.php',
    "GET :8081/live": f"sed -i 's#location = /live#location = /alive#' {NGINX}",
    "GET :8081/metrics": f"sed -i 's/(metrics|ready)/(ready)/' {NGINX}",
    "limit of /login": f"sed -i '/zone=login burst/d' {LIMITS}"
    " && sed -i '/function check/{n;s/{/{ return;/}' src/Security/LoginLimit.php",
    "reads secrets from files": 'sed -i \'s#$content = @file_get_contents(.file)#$kept = "/tmp/" . md5($file); '
    "is_file($kept) || copy($file, $kept); $content = file_get_contents($kept)#' src/Settings.php",
    "writes nowhere else": 'sed -i \'0,/^require/s##file_put_contents("/var/www/html/seen", ""); &#\' public/index.php',
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
    described = "ENV API_TOKEN=x\nSTOPSIGNAL SIGTERM\nUSER 0"
    _derived(tmp_path_factory.mktemp("broken"), BROKEN, _wrong(FAULTS) + described)
    _derived(tmp_path_factory.mktemp("worse"), WORSE, _wrong(MORE_FAULTS) + "USER 1000:1000")
    _derived(tmp_path_factory.mktemp("mute"), MUTE, "USER 0\nRUN rm /etc/vision-week/php-fpm.conf\nUSER 1000:1000")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_CONFIG", str(layout.credentials()))
        yield
        docker("image", "rm", "--force", REFERENCE, BROKEN, WORSE, MUTE)


def _wrong(faults: Mapping[str, str]) -> str:
    return f"USER 0\nRUN {' && '.join(faults.values())}\n"


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


@pytest.fixture(scope="module")
def worse(images: None) -> dict[str, Finding]:  # noqa: ARG001  # they are there
    return findings(WORSE)


def called(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [*arguments, "--mirror", MIRROR])


def test_the_reference_application_keeps_every_rule() -> None:
    done = called(REFERENCE)
    assert done.exit_code == 0, done.output
    assert "not met" not in done.output
    assert "all met" in done.output


@pytest.mark.parametrize("rule", [*FAULTS, *DESCRIBED])
def test_a_rule_that_is_broken_is_found_out(broken: dict[str, Finding], rule: str) -> None:
    found_out(broken[rule])


@pytest.mark.parametrize("rule", MORE_FAULTS)
def test_another_rule_that_is_broken_is_found_out(worse: dict[str, Finding], rule: str) -> None:
    found_out(worse[rule])


def found_out(finding: Finding) -> None:
    assert not finding.met, finding
    assert finding.seen
    assert finding.todo


def test_what_is_in_order_is_not_blamed(broken: dict[str, Finding], worse: dict[str, Finding]) -> None:
    """What breaks a rule in one image is in order in the other, but for what follows from that image's own faults:
    migrations always fail, there are no metrics, and what PHP says of a place that it can't write to is no JSON."""
    assert not {rule: broken[rule] for rule in MORE_FAULTS if not broken[rule].met}
    kept = {*FAULTS, *DESCRIBED} - {"migrations succeed again", "metrics", "log of php"}
    assert not {rule: worse[rule] for rule in kept if not worse[rule].met}


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
