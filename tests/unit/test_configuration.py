"""Settings as the engine hands them over, and what a person reads when they are wrong."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime.config import set_all_config

from components.configuration import SettingsError, load, parse
from components.stack_file import StackFile
from tests.unit.faults import GKE
from tests.unit.parts import LEAST
from tests.unit.recording import CHECKOUT


@pytest.fixture(autouse=True)
def _nothing_configured() -> Iterator[None]:
    yield
    set_all_config({}, [])


@pytest.fixture
def no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PULUMI_OPTION_CONFIG_FILE", str(tmp_path / "Pulumi.none.yaml"))


def configure(values: dict[str, Any], secret: list[str] | None = None) -> None:
    """The configuration as the engine hands it over: text, structured values as JSON."""
    config = {
        f"vision-week:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in values.items()
    }
    set_all_config({**config, "pulumi:disable-default-providers": "[]"}, secret or [])


def refusal() -> str:
    """What the engine would print."""
    with pytest.raises(pulumi.RunError) as caught:
        load()
    return str(caught.value)


@pytest.mark.usefixtures("no_file")
def test_the_engines_text_is_read_by_type() -> None:
    configure({**LEAST, "release": "1.10", "protect": False})
    settings = load()
    assert (settings.release, settings.protect) == ("1.10", False)


@pytest.mark.usefixtures("no_file")
def test_a_structured_value_may_be_text() -> None:
    """As `pulumi config set vision-week:app '{"replicas": 3}'` keeps it."""
    configure({**LEAST, "app": '{"replicas": 3}'})
    assert load().app.replicas.max == 3


def test_a_wrong_stack_file_is_told_as_a_person_reads_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The engine prints a RunError as it is, without a traceback, and the command fails."""
    file = tmp_path / "Pulumi.trial.yaml"
    file.write_text(
        """\
config:
  vision-week:purpose: workbench
  vision-week:release: v1
  vision-week:cluster: kind-kind
  vision-week:images: { registry: registry.example/vision-week }
  vision-week:edge: { flavour: nginx, url: https://vision-week.example }
  vision-week:app:
    replica: 3
    log_level: loud
    session_lifetime: 5
  visionweek:protect: true
"""
    )
    monkeypatch.setenv("PULUMI_OPTION_CONFIG_FILE", str(file))
    configure({**LEAST, "app": {"replica": 3, "log_level": "loud", "session_lifetime": 5}})
    set_all_config({**pulumi.runtime.config.CONFIG.get(), "visionweek:protect": "true"}, [])
    assert refusal() == (
        """\
4 settings are wrong, and nothing was changed. Mend them, then run the same command again:

  Pulumi.trial.yaml:11: visionweek:protect
    nobody reads the namespace visionweek
    Did you mean vision-week:protect?

  Pulumi.trial.yaml:9: vision-week:app.log_level = "loud"
    must be one of debug, info, warning, error
    What it is: The least that it logs; `debug` may hold personal data (S10.1).

  Pulumi.trial.yaml:10: vision-week:app.session_lifetime = 5
    must be 60 or more
    What it is: Seconds that a login lasts without use, 60 to 86400: at most a day (service levels: sessions).

  Pulumi.trial.yaml:8: vision-week:app.replica = 3
    unknown key
    Did you mean replicas?"""
    )


def message(values: dict[str, Any], file: str = "", **more: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        parse(values, file=StackFile("Pulumi.x.yaml", file) if file else None, **more)
    return caught.value.message()


def test_a_setting_that_is_not_in_the_file_is_told_with_that_of_what_it_belongs_to() -> None:
    text = "config:\n  vision-week:postgres:\n    max_connections: 30\n"
    assert "Pulumi.x.yaml:3: vision-week:postgres.max_connections = 30" in message(
        {**LEAST, "postgres": {"max_connections": 30}}, text
    )
    text = "config:\n  vision-week:cluster:\n    flavour: gke\n"
    assert (
        "Pulumi.x.yaml:2: vision-week:cluster.region\n    is required\n    What it is: Where everything is stored"
        in message({**LEAST, "cluster": {"flavour": "gke", "project": "a-project"}}, text)
    )
    assert "Pulumi.x.yaml: vision-week:timeouts.edge = 20" in message({**LEAST, "timeouts": {"edge": 20}}, text)


def test_a_default_that_another_setting_contradicts_is_shown() -> None:
    assert 'vision-week:cluster.network.services = "10.20.0.0/20"' in message(
        {**LEAST, "cluster": {**GKE, "network": {"pods": "10.16.0.0/12"}}}
    )


def test_a_long_value_is_cut() -> None:
    told = message({**LEAST, "app": {"log_level": "x" * 500}})
    assert f'"{"x" * 56}…' in told
    assert "x" * 57 not in told


# --- secrets


@pytest.mark.parametrize(
    "changes",
    [
        {"app": {"log_level": "hunter2"}},
        {"app": {"workers": "hunter2"}},
        {"app": {"uploads": "hunter2"}},
        {"app": "hunter2"},
        {"app": {"replicas": ["hunter2"]}},
        {"app": {"session_lifetime": {"hunter2": 1}}},
        {"release": "hunter2 "},
        {"images": {"registry": "hunter2"}},
        {"images": {"registry": "r.example/a", "allow_unpinned": ["hunter2"]}},
        {"cluster": {"flavour": "hunter2"}},
        {"cluster": {"context": "x", "control_plane": ["hunter2"]}},
        {"edge": {"flavour": "gateway", "url": "https://hunter2.example:99"}},
        {"postgres": {"backups": {"full_at": "hunter2"}}},
    ],
    ids=json.dumps,
)
def test_secret_values_are_never_printed(changes: dict[str, Any]) -> None:
    (key,) = changes
    told = message({**LEAST, **changes}, secret=frozenset({key}))
    assert "hunter2" not in told
    assert f"vision-week:{key}" in told


@pytest.mark.usefixtures("no_file")
def test_a_secret_that_the_engine_hands_over_is_not_printed() -> None:
    configure({**LEAST, "app": {"log_level": "hunter2"}}, secret=["vision-week:app"])
    told = refusal()
    assert "hunter2" not in told
    assert "vision-week:app.log_level = (secret)" in told


def test_what_is_not_secret_is_told_beside_a_secret() -> None:
    told = message({**LEAST, "app": {"log_level": "hunter2"}, "redis": {"size": "x"}}, secret=frozenset({"app"}))
    assert 'vision-week:redis.size = "x"' in told


def test_stack_files_hold_no_secrets() -> None:
    for file in CHECKOUT.glob("Pulumi.*.yaml"):
        assert "password" not in file.read_text()
