"""What `deploy.sh ENV test` asks of the inside, and what it says where it isn't so. On pods: tests/cluster."""

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest

from operations.delivery import checks, inside
from operations.delivery.inside import FailedError, backed_up, postgres_follows, quiet, redis_follows
from operations.delivery.restore import Backup
from operations.delivery.target import Target
from tests.unit.test_delivery_restore import info

PRIMARY = "role:master\r\nconnected_slaves:2"
REPLICA = "role:slave\r\nmaster_link_status:up"
BEHIND = "role:slave\r\nmaster_link_status:down"
HEARTBEAT = 'ALERTS{alertname="Watchdog", alertstate="firing", severity="heartbeat"} => 1 @[1700000000.1]\n'
RAISED = 'ALERTS{alertname="DiskFillsUp", alertstate="firing", pod="a"} => 1 @[1700000000.1]\n'


@dataclass(frozen=True)
class Inside(Target):
    """A stack with three members of each, whose pods say these."""

    following: list[int] = field(default_factory=lambda: [0, 1, 2])
    primaries: int = 1
    redis: Mapping[str, str] = field(default_factory=lambda: {"a": REPLICA, "b": PRIMARY, "c": REPLICA})
    backups: list[Backup] = field(default_factory=list)
    alerts: str = HEARTBEAT

    def listed(self, area: str, kind: str, selector: str = "") -> list[dict[str, Any]]:
        assert (area, kind) == ("data", "pods")
        names = list(self.redis) if selector.endswith("redis") else ["postgres-1", "postgres-2"][: self.primaries]
        return [{"metadata": {"name": name}} for name in names]

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        assert stdin is None
        if "promtool" in arguments:
            return self.alerts
        if "pgbackrest" in arguments:
            return info(*self.backups)
        if arguments[arguments.index("-c") + 1] == "redis":
            return self.redis[arguments[3]]
        if any("emit_message" in word for word in arguments):
            return "0/3000148\n"
        assert any("'0/3000148'" in word for word in arguments)
        return f"{self.following.pop(0) if len(self.following) > 1 else self.following[0]}\n"


def there(**what: Any) -> Inside:
    base = Target.named("development")
    three = {"members": 3}
    settings = base.settings.model_copy(
        update={
            "postgres": base.settings.postgres.model_copy(update=three),
            "redis": base.settings.redis.model_copy(update=three),
        }
    )
    return Inside(base.stack, base.file, settings, **what)


def backup(hours: float) -> Backup:
    return Backup("20261101-020000F", "full", datetime.now(UTC) - timedelta(hours=hours))


@pytest.mark.parametrize("check", [postgres_follows, redis_follows, quiet])
def test_all_is_well_where_all_is_well(check: Callable[[Target], None]) -> None:
    check(there())


def test_a_backup_may_have_two_turns() -> None:
    hours = 2 * there().settings.postgres.backups.incremental_hours
    backed_up(there(backups=[backup(hours + 1), backup(hours - 1)]))
    with pytest.raises(FailedError, match=f"is {hours + 1}.0 hours old, and {hours} are allowed"):
        backed_up(there(backups=[backup(hours + 1)]))
    with pytest.raises(FailedError, match="there is none yet"):
        backed_up(there())


@pytest.mark.parametrize(
    ("what", "check", "said"),
    [
        ({"following": [1]}, postgres_follows, "1 of 2 replicas have it after 0 s"),
        ({"primaries": 0}, postgres_follows, "0 pods are primary"),
        ({"primaries": 2}, postgres_follows, "2 pods are primary"),
        ({"redis": {"a": PRIMARY, "b": REPLICA}}, redis_follows, "2 of 3 members are there"),
        ({"redis": {"a": PRIMARY, "b": PRIMARY, "c": REPLICA}}, redis_follows, "2 members are primary"),
        ({"redis": {"a": REPLICA, "b": REPLICA, "c": REPLICA}}, redis_follows, "0 members are primary"),
        ({"redis": {"a": PRIMARY, "b": BEHIND, "c": REPLICA}}, redis_follows, "1 of 2 replicas are not in step"),
        ({"alerts": HEARTBEAT + RAISED}, quiet, "raised: DiskFillsUp"),
        ({"alerts": ""}, quiet, "Watchdog, which always is, is not raised"),
    ],
)
def test_what_is_not_well_is_told(
    what: Mapping[str, Any], check: Callable[[Target], None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inside, "_PATIENCE", 0)
    with pytest.raises(FailedError, match=said):
        check(there(**what))


def test_an_environment_is_not_asked_for_what_it_has_not() -> None:
    def asked(**settings: Any) -> list[str]:
        base = Target.named("production")
        target = Target(base.stack, base.file, base.settings.model_copy(update=settings))
        return [check.__name__ for check in checks._inside(target)]

    settings = Target.named("production").settings
    none = settings.postgres.backups.model_copy(update={"enabled": False})
    assert asked() == ["postgres_follows", "redis_follows", "backed_up", "quiet"]
    assert "backed_up" not in asked(postgres=settings.postgres.model_copy(update={"backups": none}))
    assert "quiet" not in asked(monitoring=settings.monitoring.model_copy(update={"enabled": False}))


@pytest.mark.parametrize("check", [checks._well, checks._release, checks._anonymous])
@pytest.mark.parametrize("said", ["null", "[]", "no JSON"])
def test_an_answer_of_another_shape_is_a_failure_and_no_error_of_ours(check: Callable[..., None], said: str) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=said)

    assert tried(check, answer).problem


def test_a_page_of_no_type_is_a_failure() -> None:
    assert tried(checks._page, lambda _: httpx.Response(200, content=b"")).problem == "it is of no type"


def tried(check: Callable[..., None], answer: Callable[[httpx.Request], httpx.Response]) -> checks.Result:
    with httpx.Client(base_url="https://site.example", transport=httpx.MockTransport(answer)) as client:
        site = checks.Site(there(), client, client.base_url, ssl.create_default_context(), {})
        return checks._tried(partial(check, site), patience=0)
