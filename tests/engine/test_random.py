"""The random plugin, by the real engine: values are made once, stay secret, and are replaced when an input changes."""

import json
import re

import bcrypt
import pytest

from tests.engine.project import Project

pytestmark = pytest.mark.engine

SECRET = "4dabf18193072939515e22adb298388d"  # the mark of an encrypted value in a state

PROGRAM = """
    import pulumi
    import pulumi_random as random

    config = pulumi.Config()
    length = config.get_int("length") or 24
    keepers = {"generation": config.get("generation") or "1"}
    password = random.RandomPassword("password", length=length, min_special=3, min_numeric=2, keepers=keepers)
    key = random.RandomBytes("key", length=32)
    identity = random.RandomId("identity", byte_length=4, prefix="stack-")
    text = random.RandomString("text", length=12, special=False, upper=False)
    pulumi.export("password", password.result)
    pulumi.export("hash", password.bcrypt_hash)
    pulumi.export("key", key.hex)
    pulumi.export("identity", identity.hex)
    pulumi.export("text", text.result)
"""


def test_values_are_what_the_inputs_ask_for(made: Project) -> None:
    outputs = made.outputs()
    assert len(outputs["password"]) == 24
    assert sum(letter in "!@#$%&*()-_=+[]{}<>:?" for letter in outputs["password"]) >= 3
    assert sum(letter.isdigit() for letter in outputs["password"]) >= 2
    assert re.fullmatch(r"[0-9a-f]{64}", outputs["key"])
    assert re.fullmatch(r"stack-[0-9a-f]{8}", outputs["identity"])
    assert re.fullmatch(r"[a-z0-9]{12}", outputs["text"])


def test_the_hash_is_the_passwords(made: Project) -> None:
    outputs = made.outputs()
    assert bcrypt.checkpw(outputs["password"].encode(), outputs["hash"].encode())


def test_secrets_stay_secret_in_the_state_and_in_what_is_printed(made: Project) -> None:
    """S7: no secret in a log or in clear in the state."""
    outputs = made.outputs()
    printed = [made.preview("--diff").said, made.pulumi("stack", "output", "--stack=test").said]
    state = json.dumps(made.deployment())
    for secret in (outputs["password"], outputs["hash"], outputs["key"]):
        assert secret not in state
        assert not any(secret in text for text in printed)
    assert outputs["text"] in state  # what is not secret is there in clear, so the secrets could have been
    assert SECRET in made.resource("password")["outputs"]["result"]
    assert SECRET in made.resource("key")["outputs"]["base64"]


def test_ids_are_the_official_ones(made: Project) -> None:
    """Recorded from the official plugin: `none` for passwords, the value itself for the others."""
    assert made.resource("password")["id"] == "none"
    assert made.resource("text")["id"] == made.outputs()["text"]
    assert made.resource("identity")["id"] == made.resource("identity")["outputs"]["b64Url"].removeprefix("stack-")


def test_defaults_are_in_the_outputs_and_not_in_the_inputs(made: Project) -> None:
    password = made.resource("password")
    assert "special" not in password["inputs"]
    assert password["outputs"]["special"] is True
    assert password["outputs"]["numeric"] is True
    assert password["outputs"]["minLower"] == 0


def test_a_second_update_changes_nothing(made: Project) -> None:
    before = made.outputs()
    made.preview("--expect-no-changes")
    made.up("--expect-no-changes")
    made.refresh("--expect-no-changes")
    assert made.outputs() == before


def test_writing_a_default_down_changes_nothing(made: Project) -> None:
    made.write(PROGRAM.replace("min_special=3", "min_special=3, special=True, lower=True"))
    made.preview("--expect-no-changes")
    made.write(PROGRAM)


def test_a_new_keeper_replaces_the_value_and_says_which(changing: Project) -> None:
    before = changing.outputs()
    changing.write(PROGRAM, {"generation": "2"})
    step = changing.steps()["password"]
    assert step["op"] == "replace"
    assert step["detailedDiff"] == {"keepers.generation": {"kind": "update-replace", "inputDiff": True}}
    changing.up()
    after = changing.outputs()
    assert after["password"] != before["password"]
    assert after["key"] == before["key"]


def test_another_length_replaces_the_value(changing: Project) -> None:
    changing.write(PROGRAM, {"length": "30"})
    assert changing.steps()["password"]["replaceReasons"] == ["length"]
    changing.up()
    assert len(changing.outputs()["password"]) == 30


def test_values_are_unknown_in_a_preview(project: Project) -> None:
    project.write(
        """
        import pulumi
        import pulumi_random as random

        password = random.RandomPassword("password", length=8)
        pulumi.export("derived", password.result.apply(lambda value: print("seen", value) or value))
        """,
        {},
    )
    assert "seen" not in project.preview().said
    assert "seen" in project.up().said


def test_inputs_that_cannot_be_met_are_refused_in_the_preview(project: Project) -> None:
    project.write(
        """
        import pulumi_random as random

        random.RandomPassword("password", length=4, min_upper=3, min_lower=3)
        """,
        {},
    )
    said = project.preview(succeeds=False).said
    assert "length" in said
    assert "minUpper" in said


def test_a_password_can_be_imported_by_its_value(project: Project) -> None:
    project.write("", {})
    project.pulumi(
        "import",
        "random:index/randomPassword:RandomPassword",
        "old",
        "correct-horse",
        "--stack=test",
        "--yes",
        "--generate-code=false",
    )
    state = json.dumps(project.deployment())
    assert "correct-horse" not in state
    assert project.resource("old")["inputs"] == {"length": 13}
