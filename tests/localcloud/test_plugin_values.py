"""Property values on their way between the engine's messages and plain Python."""

from typing import Any

import pytest

from localcloud.plugins.changes import Change, Kind, compare, path_of
from localcloud.plugins.values import (
    UNKNOWN,
    Archive,
    Asset,
    Reference,
    Secret,
    from_struct,
    has_secret,
    has_unknown,
    reveal,
    seal_like,
    to_struct,
)

SIGNATURE = "4dabf18193072939515e22adb298388d"


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -3,
        2.5,
        "",
        "ä",
        [],
        {},
        [1, [2, {"a": None}]],
        UNKNOWN,
        Secret("hush"),
        Secret({"a": [1, UNKNOWN]}),
        Asset(text="x"),
        Archive(assets={"a": Asset(path="/a"), "b": Archive(path="/b")}),
        Reference("urn:pulumi:s::p::t::n", "id", "1.0"),
    ],
)
def test_a_value_survives_the_wire(value: Any) -> None:
    assert from_struct(to_struct({"value": value})) == {"value": value}


def test_whole_numbers_are_whole() -> None:
    """JSON knows one kind of number; Kubernetes refuses `replicas: 3.0`."""
    assert isinstance(from_struct(to_struct({"value": 3.0}))["value"], int)


def test_an_output_value_is_what_it_wraps() -> None:
    wrapped = {SIGNATURE: "d0e6a833031e9bbcd3f4e8bde6ca49a4", "dependencies": ["urn"]}
    known = from_struct(to_struct({"value": {**wrapped, "value": "x"}}))
    secret = from_struct(to_struct({"value": {**wrapped, "value": "x", "secret": True}}))
    unknown = from_struct(to_struct({"value": wrapped}))
    assert (known["value"], secret["value"], unknown["value"]) == ("x", Secret("x"), UNKNOWN)


def test_a_secret_does_not_print() -> None:
    assert "hush" not in repr({"password": Secret("hush")})
    assert "hush" not in str(Secret("hush"))


def test_secrets_are_kept_where_they_were_given() -> None:
    given = {"data": {"a": Secret("x"), "b": "y"}, "list": [Secret(1), 2]}
    live = {"data": {"a": "x", "b": "y", "c": "z"}, "list": [1, 2, 3], "status": "ready"}
    sealed = seal_like(live, given)
    assert sealed == {
        "data": {"a": Secret("x"), "b": "y", "c": "z"},
        "list": [Secret(1), 2, 3],
        "status": "ready",
    }
    assert has_secret(sealed)
    assert reveal(sealed) == live


def test_an_unknown_is_found_inside_a_secret() -> None:
    assert has_unknown({"a": [Secret({"b": UNKNOWN})]})
    assert not has_unknown({"a": [Secret({"b": 1})]})


def test_changes_are_found_by_path() -> None:
    old = {"same": 1, "gone": 1, "list": [1, 2, 3], "null": None, "secret": Secret("x"), "labels": {"a/b": "1"}}
    new = {"same": 1, "list": [1, 5], "new": {}, "secret": "x", "labels": {"a/b": "2"}}
    assert compare(old, new, replaces=lambda path: path.startswith("list")) == {
        "gone": Change(Kind.DELETE),
        'labels["a/b"]': Change(Kind.UPDATE),
        "list[1]": Change(Kind.UPDATE, replace=True),
        "list[2]": Change(Kind.DELETE, replace=True),
        "new": Change(Kind.ADD),
    }


def test_what_is_not_known_yet_counts_as_changed() -> None:
    assert compare({"a": "x"}, {"a": UNKNOWN}) == {"a": Change(Kind.UPDATE)}


def test_a_path_quotes_what_is_no_name() -> None:
    assert path_of("metadata", "labels", "app.kubernetes.io/name") == 'metadata.labels["app.kubernetes.io/name"]'
    assert path_of("spec", "ports", 0, "name") == "spec.ports[0].name"
    assert path_of('say "hi"') == '["say \\"hi\\""]'
