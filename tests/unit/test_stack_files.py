"""The stack files: how they differ, what editors know of them, and what is made of the way that they are written."""

import json
import textwrap
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from components.configuration import SettingsError, parse
from components.stack_file import StackFile, strangers
from operations.settings import PAGE, SCHEMA, page, schema
from tests.unit.conftest import Stacks
from tests.unit.parts import LEAST
from tests.unit.recording import CHECKOUT, stack_config

STACKS = ("development", "staging", "production")
DIFFERENCES = CHECKOUT / "tests" / "unit" / "inventories" / "settings.txt"


# --- how the stacks differ


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every setting with its value as text, defaults included."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from leaves(getattr(value, name), f"{path}.{name}".removeprefix("."))
    elif isinstance(value, tuple) and any(isinstance(each, BaseModel) for each in value):
        for index, each in enumerate(value):
            yield from leaves(each, f"{path}[{index}]")
    else:
        yield path, json.dumps(value, default=str).strip('"')


def differences(*stacks: str) -> Iterator[str]:
    """One line for each setting that isn't the same in these stacks."""
    settings = [dict(leaves(parse(own(stack)))) for stack in stacks]
    paths = sorted({path for one in settings for path in one})
    rows = [(path, *(one.get(path, "-") for one in settings)) for path in paths]
    table = [("", *stacks), *(row for row in rows if len(set(row[1:])) > 1)]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def own(stack: str) -> dict[str, Any]:
    return {
        key.removeprefix("vision-week:"): value
        for key, value in stack_config(stack).items()
        if key.startswith("vision-week:")
    }


def test_the_stacks_differ_in_what_was_reviewed_and_in_nothing_else(request: pytest.FixtureRequest) -> None:
    """Staging is production made smaller by settings alone; a difference that nobody meant shows here."""
    told = "\n".join(
        [
            "How the stacks differ: every setting that is not the same, with what each has (- where it has none).",
            "All others are as docs/settings.md says.\n",
            *differences("staging", "production"),
            "\n",
            *differences("development", "production"),
            "",
        ]
    )
    if request.config.getoption("--update-inventories"):
        DIFFERENCES.write_text(told)
    print(told)  # noqa: T201  for whoever asks by `pytest -s`
    assert told == DIFFERENCES.read_text(), "review, and write anew by: pytest tests/unit --update-inventories"


def test_staging_makes_everything_that_production_makes(stacks: Stacks) -> None:
    """S10.2: the same resources in the same components; what differs is in their fields, and that in the settings.

    But for our images: what staging builds, production copies (DECISIONS: promotion). And another project keeps a copy
    of production's backups alone (DECISIONS: buckets).
    """
    staging, production = (
        {(one.parent.rpartition("::")[0], one.type, one.name) for one in stacks(stack).made}
        for stack in ("staging", "production")
    )
    ours = ("app", "postgres", "websocket")
    assert {one[1:] for one in staging - production} == {("docker-build:index:Image", name) for name in ours}
    assert {one[1:] for one in production - staging} == {
        *(("docker-build:index:Index", name) for name in ours),
        ("pulumi:providers:docker", "registry"),
        *(
            ("gcp:storage/bucketIAMMember:BucketIAMMember", f"copy-{role}")
            for role in ("legacyBucketReader", "objectViewer")
        ),
    }


# --- what editors know


def valid(config: dict[str, Any], **beside: Any) -> bool:
    validator = jsonschema.Draft7Validator(schema())
    return bool(validator.is_valid({"config": config, **beside}))


def prefixed(values: dict[str, Any]) -> dict[str, Any]:
    return {f"vision-week:{key}": value for key, value in values.items()}


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft7Validator.check_schema(schema())


@pytest.mark.parametrize("stack", STACKS)
def test_editors_find_no_fault_with_the_stack_files(stack: str) -> None:
    text = (CHECKOUT / f"Pulumi.{stack}.yaml").read_text()
    jsonschema.validate(yaml.safe_load(text), schema(), cls=jsonschema.Draft7Validator)


@pytest.mark.parametrize("stack", STACKS)
def test_the_stack_files_point_their_editors_to_the_schema(stack: str) -> None:
    first, _, _ = (CHECKOUT / f"Pulumi.{stack}.yaml").read_text().partition("\n")
    prefix, _, named = first.partition("$schema=")
    assert prefix == "# yaml-language-server: "
    assert (CHECKOUT / named).resolve() == SCHEMA


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"protect": "false"},
        {"app": '{"replicas": 3}'},
        {"app": {"replicas": 3}},
        {"app": {"replicas": {"min": 3, "max": 5}}},
        {"cluster": {"context": "kind-kind"}},
        {"cluster": {"flavour": "gke", "project": "a-project", "project_number": 1, "region": "europe-west1"}},
        {"images": {**LEAST["images"], "allow_unpinned": "all"}},
        {"images": {**LEAST["images"], "allow_unpinned": ["nginx"]}},
        {"websocket": {"resources": {"cpu": 1, "cpu_limit": "1500m", "memory": "128Mi"}}},
        {"release": {"secure": "v1:abc"}},
        {"app": {"secure": "v1:abc"}},
        {"app": {"log_level": {"secure": "v1:abc"}}},
    ],
    ids=json.dumps,
)
def test_editors_know_every_way_of_writing(changes: dict[str, Any]) -> None:
    assert valid(prefixed({**LEAST, **changes}))


def test_editors_know_pulumis_spellings_and_its_own_keys() -> None:
    assert valid(LEAST, secretsprovider="gcpkms://projects/p", encryptedkey="x", encryptionsalt="y")
    assert valid({f"vision-week:config:{key}": value for key, value in LEAST.items()})
    assert valid({**prefixed(LEAST), "pulumi:disable-default-providers": ["kubernetes"], "gcp:project": "p"})


@pytest.mark.parametrize(
    "changes",
    [
        {"app": {"replica": 3}},
        {"ap": {}},
        {"app": {"log_level": "loud"}},
        {"app": {"workers": 0}},
        {"app": {"workers": "10"}},
        {"app": {"uploads": "10 GB"}},
        {"app": "loud"},
        {"protect": "yes"},
        {"release": "v 1"},
        {"release": None},
        {"postgres": {"members": 2}},
        {"edge": {"url": "https://vision-week.example"}},
        {"edge": {"flavour": "nginx", "url": "http://vision-week.example"}},
        {"cluster": {"flavour": "gke", "project": "a-project"}},
        {"images": {**LEAST["images"], "allow_unpinned": ["redsi"]}},
        {"monitoring": {"receivers": [{"name": "me"}]}},
        {"policies": {"exemptions": [{"rule": "a", "resource": "b", "reason": "c", "owner": "d", "expires": "e"}]}},
    ],
    ids=json.dumps,
)
def test_editors_find_faults(changes: dict[str, Any]) -> None:
    assert valid(prefixed(LEAST))
    assert not valid(prefixed({**LEAST, **changes}))


def test_editors_find_what_is_missing_or_beside() -> None:
    for key in ("release", "cluster", "images", "edge"):
        assert not valid(prefixed({name: value for name, value in LEAST.items() if name != key}))
    assert not valid({**prefixed(LEAST), "visionweek:protect": True})
    assert not valid(prefixed(LEAST), foo=1)
    assert not jsonschema.Draft7Validator(schema()).is_valid(prefixed(LEAST))


def test_the_page_and_the_schema_are_current() -> None:
    mend = "write it anew by: make settings"
    assert PAGE.read_text() == page(), mend
    assert json.loads(SCHEMA.read_text()) == schema(), mend


# --- what is made of the way that they are written


def read(text: str) -> StackFile:
    return StackFile("Pulumi.x.yaml", textwrap.dedent(text))


@pytest.mark.parametrize(
    ("written", "arrives", "why", "instead"),
    [
        ("on", "on", "true or false to some readers of YAML", '"on"'),
        ("off", "off", "true or false to some readers of YAML", '"off"'),
        ("Yes", "Yes", "true or false to some readers of YAML", '"Yes"'),
        ("no", "no", "true or false to some readers of YAML", '"no"'),
        ("y", "y", "true or false to some readers of YAML", '"y"'),
        ("N", "N", "true or false to some readers of YAML", '"N"'),
        ("", None, "nothing is written after the colon, which is null", "leave the key out"),
        ("~", None, "is null", "leave the key out"),
        ("null", None, "is null", "leave the key out"),
        ("NULL", None, "is null", "leave the key out"),
        ("1e3", 1000, "is a number with an exponent; it arrives as 1000", '"1e3"'),
        ("-2.5E-1", -0.25, "is a number with an exponent; it arrives as -0.25", '"-2.5E-1"'),
        (".5e1", 5, "is a number with an exponent; it arrives as 5", '".5e1"'),
        ("08", 8, "begins with a zero, which makes it a number to the base of 8", '"08"'),
        ("010", 8, "to the base of 8 where its digits allow; it arrives as 8", '"010"'),
        ("0o17", 15, "is a number to another base than 10; it arrives as 15", '"0o17"'),
        ("0x1F", 31, "is a number to another base than 10; it arrives as 31", '"0x1F"'),
        ("0b11", 3, "is a number to another base than 10; it arrives as 3", '"0b11"'),
        ("1_000", 1000, "loses its underscores and becomes a number; it arrives as 1000", '"1_000"'),
        ("1_000.5", 1000.5, "loses its underscores and becomes a number", '"1_000.5"'),
        ("2027-01-31", "2027-01-31 00:00:00 +0000 UTC", "is a point in time, and arrives with hours", '"2027-01-31"'),
        ("2027-1-3 10:00:00", "x", "is a point in time, and arrives with hours", '"2027-1-3 10:00:00"'),
        ("12:30", "12:30", "is a number to the base of 60", '"12:30"'),
        ("1:02:03.5", "1:02:03.5", "is a number to the base of 60", '"1:02:03.5"'),
        (".inf", "x", "is no number that can be counted with", '".inf"'),
        (".NaN", "x", "is no number that can be counted with", '".NaN"'),
        ("1.10", 1.1, "is a number, and loses its last zero; it arrives as 1.1", '"1.10"'),
    ],
)
def test_what_yaml_takes_for_something_else_is_named(written: str, arrives: Any, why: str, instead: str) -> None:
    """As the engine hands it over: tests/engine/test_settings_errors.py tries each with the real one."""
    file = read(f"config:\n  vision-week:app:\n    # a line\n    inner: [1, {{ a: {written} }}]\n")
    (fault,) = file.traps({"app": {"inner": [1, {"a": arrives}]}})
    assert fault.path == "app.inner[1].a"
    assert why in fault.reason
    assert instead in fault.hint
    assert fault.value == (written or None)


@pytest.mark.parametrize(
    "written",
    [
        *("true", "false", "True", "0", "10", "-5", "1.5", "0.5", "v1.0.0", "512Mi", "10.0.0.0/20", "one", "1.0.0"),
        *(
            '"on"',
            "'010'",
            '"1e3"',
            '"2027-01-31"',
            '"12:30"',
            '""',
            "https://a.example:8443",
            "a:1",
            "2027-01",
            "once",
        ),
    ],
)
def test_what_means_what_it_looks_like_is_let_be(written: str) -> None:
    file = read(f"config:\n  vision-week:app:\n    inner: {written}\n")
    assert list(file.traps({"app": {"inner": "arrived"}})) == []


def test_a_trap_is_told_once_and_not_again_by_its_type() -> None:
    file = read("config:\n  vision-week:app:\n    workers: 0o17\n    session_lifetime: on\n")
    with pytest.raises(SettingsError) as caught:
        parse({**LEAST, "app": {"workers": 15, "session_lifetime": "on"}}, file=file)
    assert [fault.path for fault in caught.value.faults] == ["app.workers", "app.session_lifetime"]
    assert "base of 8" not in str(caught.value)


def test_a_value_that_came_from_elsewhere_is_no_trap_of_the_file() -> None:
    """`pulumi --config` sets a value for one command."""
    assert list(read("config:\n  vision-week:app:\n    workers: 010\n").traps({"app": 5})) == []
    assert list(read("config:\n  vision-week:release: 010\n").traps({})) == []


@pytest.mark.parametrize("spelling", ["vision-week:release", "release", "vision-week:config:release"])
def test_every_spelling_of_a_key_is_found_in_its_line(spelling: str) -> None:
    file = read(f"# a comment\nconfig:\n  {spelling}: 1e3\n")
    (fault,) = file.traps({"release": "1000"})
    assert file.where(fault.path) == "Pulumi.x.yaml:3"


def test_other_namespaces_are_let_be() -> None:
    file = read("config:\n  gcp:project: on\n  pulumi:x: 010\n  config:a: on\n")
    assert (file.places, file.shape) == ({}, [])


def test_a_key_that_is_written_in_two_ways_is_refused() -> None:
    """Pulumi would take one of them."""
    (fault,) = read("config:\n  vision-week:release: v1\n  release: v2\n").shape
    assert (fault.path, fault.reason) == ("release", "is there twice, first in line 2")


@pytest.mark.parametrize(
    ("text", "path", "reason", "hint"),
    [
        ("", "config:", "is missing or empty", "write the settings below it"),
        ("config:\n", "config:", "is missing or empty", "write the settings below it"),
        ("config: {}\n", "config:", "is missing or empty", "write the settings below it"),
        ("config: text\n", "config:", "is missing or empty", "write the settings below it"),
        ("confg:\n  a: 1\n", "confg:", "is not a key of a stack's file", "did you mean config?"),
        ("xyz: 1\nconfig: {a: 1}\n", "xyz:", "is not a key of a stack's file", "known: config, encryptedkey"),
        (
            "config: {a: 1}\nvision-week:app: {}\n",
            "vision-week:app",
            "stands beside `config:`, not below it",
            "indent it",
        ),
    ],
)
def test_a_file_of_the_wrong_shape_is_named(text: str, path: str, reason: str, hint: str) -> None:
    fault = read(text).shape[0]
    assert (fault.path, fault.reason) == (path, reason)
    assert fault.hint.startswith(hint)


def test_a_file_without_settings_is_told_of_that_alone() -> None:
    with pytest.raises(SettingsError) as caught:
        parse({}, file=read("vision-week:release: v1\n"))
    assert [fault.path for fault in caught.value.faults] == ["vision-week:release", "config:"]
    assert "Pulumi.x.yaml:1: vision-week:release\n    stands beside" in caught.value.message()
    assert "Pulumi.x.yaml: config\n    is missing" in caught.value.message()


def test_a_file_of_the_wrong_shape_is_refused_though_its_settings_are_right() -> None:
    with pytest.raises(SettingsError, match="is not a key"):
        parse(LEAST, file=read("config: {a: 1}\nfoo: 1\n"))


def test_namespaces_that_nobody_reads_are_told_with_the_one_that_was_meant() -> None:
    keys = ["vision-week:app", "pulumi:x", "gcp:project", "visionweek:app", "kuberntes:context", "mine:x"]
    assert [(fault.path, fault.hint) for fault in strangers(keys)] == [
        ("visionweek:app", "did you mean vision-week:app?"),
        ("kuberntes:context", "did you mean kubernetes:context?"),
        ("mine:x", "ours begin with vision-week:"),
    ]
    assert "nobody reads the namespace visionweek" in next(strangers(["visionweek:app"])).reason


def test_a_file_that_pulumi_refuses_itself_is_not_read(tmp_path: Any) -> None:
    for name, content in (("tab", b"config:\n\ta: 1\n"), ("latin", b"config: \xe9\n")):
        file = tmp_path / name
        file.write_bytes(content)
        assert StackFile.read(file) is None
    assert StackFile.read(tmp_path / "none") is None
    (tmp_path / "good").write_text("config: {release: v1}\n")
    assert StackFile.read(tmp_path / "good") is not None


def test_a_secret_in_clear_is_found_and_its_value_not_shown() -> None:
    file = read("""\
        config:
          vision-week:webhooks:
            open: https://hooks.example/open
            shut:
              secure: v1:abc
        """)
    values = {
        "open": "https://hooks.example/open",
        "shut": "https://hooks.example/shut",
        "elsewhere": "https://h.example",
    }
    (fault,) = file.in_clear("webhooks", values)
    assert (fault.path, fault.reason) == ("webhooks.open", "is a secret, and stands in the file in clear")
    assert "pulumi config set --secret --path vision-week:webhooks.open" in fault.hint
    assert "hooks.example" not in f"{fault.hint} {fault.value}"


def test_secrets_that_are_encrypted_together_are_not_in_clear() -> None:
    file = read("""\
        config:
          vision-week:webhooks:
            secure: v1:abc
        """)
    assert list(file.in_clear("webhooks", {"open": "https://hooks.example/open"})) == []
    assert list(file.in_clear("webhooks", None)) == []
