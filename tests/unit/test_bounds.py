"""Limits and time-outs of a stack: the same numbers in nginx, PHP, the edge and the pods."""

import re
from typing import Any

import pytest

from components import bounds
from components.settings import App, Limits, Timeouts
from tests.unit import edges
from tests.unit.recording import CHECKOUT
from tests.unit.test_app import built, containers

IMAGE = CHECKOUT / "images/app/nginx/settings"


def directives(text: str) -> str:
    return re.sub(r"^ *#.*\n|\n(?=\n)", "", text, flags=re.MULTILINE)


def variables(**changes: Any) -> dict[str, Any]:
    app = built(**changes)
    own: dict[str, Any] = {each["name"]: each.get("value") for each in containers(app)["php"]["env"]}
    return {**own, **app.one("ConfigMap", "app").inputs["data"]}


def test_the_image_has_the_limits_that_a_stack_has_without_saying_so() -> None:
    """S3.2"""
    assert directives((IMAGE / "limits.conf").read_text()) == directives(bounds.limits_file(Limits()))
    assert directives((IMAGE / "timeouts.conf").read_text()) == bounds.timeouts_file(Timeouts())
    assert bounds.nginx_settings(Limits(), Timeouts()) == {}


def test_the_image_has_the_variables_that_a_stack_has_without_saying_so() -> None:
    """But for the number of workers and their memory, each stage has its own."""
    stage = (CHECKOUT / "images/app/Dockerfile").read_text().split(" AS production\n")[1].split("# --- development")[0]
    told = bounds.php_variables(App(), Timeouts())
    for name in ("PHP_BODY_LIMIT", "PHP_REQUEST_TIMEOUT", "PHP_STOP_TIMEOUT"):
        assert re.findall(rf"{name}=(\S+)", stage) == [told[name]]


def test_a_stack_s_own_limits_reach_nginx_and_php() -> None:
    limits = {"api_per_second": 20, "login_per_minute": 7, "upload": "25M"}
    app = built(limits=limits)
    text = app.one("ConfigMap", "app-nginx").at("data", "limits.conf")
    assert "rate=20r/s" in text
    assert "zone=api burst=40" in text
    assert "rate=7r/m" in text
    assert "zone=login burst=6" in text
    assert "default 9;" in text
    assert "client_max_body_size 24m;" in text
    told = variables(limits=limits)
    assert (told["LOGINS_PER_MINUTE"], told["UPLOAD_LIMIT"], told["PHP_BODY_LIMIT"]) == ("7", "25000000", "25M")


@pytest.mark.parametrize(("upload", "body"), [("10M", 10), ("1Mi", 2), ("16Mi", 17), ("25M", 24), ("16777000", 17)])
def test_a_body_has_room_for_the_form_around_a_file(upload: str, body: int) -> None:
    limits = Limits(upload=upload)
    assert bounds.body(limits) == body
    assert bounds.upload(limits) + 65_536 < body * 2**20 < bounds.php_body(limits) * 2**20


def test_the_edge_lets_through_what_the_application_takes() -> None:
    site = edges.built("nginx").one("ConfigMap", "edge").at("data", "site.conf")
    assert "client_max_body_size 10m;" in site
    compose = (CHECKOUT / "compose/nginx-lb/site.conf").read_text()
    assert "client_max_body_size 10m;" in compose
    for wait in ("read", "send"):
        assert f"proxy_{wait}_timeout {Timeouts().edge}s;" in compose


def test_a_stack_s_own_time_outs_reach_everyone_who_waits() -> None:
    timeouts = {"edge": 200, "nginx": 190, "php": 180, "database": 170}
    app = built(timeouts=timeouts)
    assert app.one("ConfigMap", "app-nginx").inputs["data"] == {"timeouts.conf": "fastcgi_read_timeout 190s;\n"}
    told = {each["name"]: each.get("value") for each in containers(app)["php"]["env"]}
    assert (told["PHP_REQUEST_TIMEOUT"], told["PHP_STOP_TIMEOUT"]) == ("180", "185")
    assert told["PGOPTIONS"] == "-c statement_timeout=170s"
    assert app.one("Deployment", "app").at("spec", "template", "spec", "terminationGracePeriodSeconds") == 5 + 185 + 5
    policy = (
        edges.built("gateway", timeouts=timeouts)
        .one("GCPBackendPolicy", "app-gcpbackendpolicy")
        .inputs["spec"]["default"]
    )
    assert (policy["timeoutSec"], policy["connectionDraining"]["drainingTimeoutSec"]) == (200, 185)


def test_a_migration_may_take_longer_than_a_request() -> None:
    (container,) = built().one("Job", "migrations").at("spec", "template", "spec", "containers")
    assert "PGOPTIONS" not in {each["name"] for each in container["env"]}
