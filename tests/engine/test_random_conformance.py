"""Random values, as the official plugin documents them.

Each test states one documented behaviour and where it is documented. The plugin under test is the local one, or the one
that CONFORMANCE_RANDOM_PLUGIN names.
"""

import base64
import json
import re
import uuid
from typing import Any

import bcrypt
import pytest

from tests.engine.project import STACK, Project, make_project

pytestmark = pytest.mark.engine

PROGRAM = """
    import pulumi
    import pulumi_random as random

    config = pulumi.Config()
    more = config.get_int("more") or 0
    keepers = {"generation": config.get("generation") or "1"}

    def show(name, resource, *outputs):
        pulumi.export(name, {"id": resource.id, **{output: getattr(resource, output) for output in outputs}})

    password = random.RandomPassword(
        "password",
        length=24 + more,
        min_special=3,
        min_numeric=2,
        min_upper=4,
        min_lower=5,
        keepers=keepers,
    )
    show("password", password, "result", "bcrypt_hash")
    plain = random.RandomPassword("plain", length=40, special=False, upper=False, numeric=False)
    show("plain", plain, "result")
    special = random.RandomPassword("special", length=60, upper=False, lower=False, numeric=False)
    show("special", special, "result")
    own = random.RandomPassword("own", length=40, override_special="_~", upper=False, lower=False, numeric=False)
    show("own", own, "result")
    text = random.RandomString("text", length=16 + more, special=False, min_numeric=3, keepers=keepers)
    show("text", text, "result")
    content = random.RandomBytes("content", length=20 + more, keepers=keepers)
    show("content", content, "base64", "hex")
    identity = random.RandomId("identity", byte_length=6 + more, prefix="stack-", keepers=keepers)
    show("identity", identity, "hex", "dec", "b64_std", "b64_url")
    die = random.RandomInteger("die", min=1, max=6 + more, keepers=keepers)
    show("die", die, "result")
    for name in ("seeded", "again"):
        show(name, random.RandomInteger(name, min=1, max=10**9, seed="same"), "result")
    pet = random.RandomPet("pet", keepers=keepers)
    show("pet", pet)
    long = random.RandomPet("long", length=4 + more, prefix="our", separator="_")
    show("long", long)
    fruits = ["apple", "banana", "cherry", "date", "elder"]
    order = random.RandomShuffle("order", inputs=fruits + ["fig"] * more, keepers=keepers)
    show("order", order, "results")
    show("some", random.RandomShuffle("some", inputs=fruits, result_count=2), "results")
    show("many", random.RandomShuffle("many", inputs=fruits, result_count=12), "results")
    for name, kind in (("uuid", random.RandomUuid), ("uuid4", random.RandomUuid4), ("uuid7", random.RandomUuid7)):
        show(name, kind(name, keepers=keepers), "result")
"""
KEPT = ("password", "text", "content", "identity", "die", "pet", "order", "uuid", "uuid4", "uuid7")
LONGER = {
    "password": "length",
    "text": "length",
    "content": "length",
    "identity": "byteLength",
    "die": "max",
    "long": "length",
    "order": "inputs[5]",
}


@pytest.fixture(scope="module")
def values(made: Project) -> dict[str, dict[str, Any]]:
    """What the resources are: id and outputs, decrypted."""
    return made.outputs()


def test_a_password_has_the_length_that_is_asked_for(values: dict[str, Any]) -> None:
    """`length`: the length of the string desired.

    https://www.pulumi.com/registry/packages/random/api-docs/randompassword/
    """
    assert len(values["password"]["result"]) == 24


@pytest.mark.parametrize(("letters", "least"), [("!@#$%&*()-_=+[]{}<>:?", 3), (r"\d", 2), ("A-Z", 4), ("a-z", 5)])
def test_a_password_has_at_least_so_many_of_each_class(values: dict[str, Any], letters: str, least: int) -> None:
    """`minSpecial`, `minNumeric`, `minUpper`, `minLower`: minimum number of such characters in the result.

    https://www.pulumi.com/registry/packages/random/api-docs/randompassword/
    """
    pattern = f"[{re.escape(letters)}]" if "!" in letters else f"[{letters}]"
    assert len(re.findall(pattern, values["password"]["result"])) >= least


def test_classes_of_characters_can_be_left_out(values: dict[str, Any]) -> None:
    """`special`, `upper`, `lower`, `numeric`: include such characters in the result; the default is true.

    https://www.pulumi.com/registry/packages/random/api-docs/randompassword/
    """
    assert re.fullmatch("[a-z]{40}", values["plain"]["result"])


def test_special_characters_are_the_documented_ones(values: dict[str, Any]) -> None:
    """`special`: these are `!@#$%&*()-_=+[]{}<>:?`.

    https://www.pulumi.com/registry/packages/random/api-docs/randompassword/
    """
    assert set(values["special"]["result"]) <= set("!@#$%&*()-_=+[]{}<>:?")


def test_another_list_of_special_characters_can_be_given(values: dict[str, Any]) -> None:
    """`overrideSpecial`: overrides the default character list in the special argument.

    https://www.pulumi.com/registry/packages/random/api-docs/randompassword/
    """
    assert set(values["own"]["result"]) == set("_~")


def test_a_password_is_a_secret_and_a_string_is_none(made: Project, values: dict[str, Any]) -> None:
    """Identical to RandomString with the exception that the result is treated as sensitive.

    https://www.pulumi.com/registry/packages/random/api-docs/randompassword/
    """
    state, printed = json.dumps(made.deployment()), made.preview("--diff").said
    assert values["text"]["result"] in state  # so the password could have been there too
    for secret in (values["password"]["result"], values["password"]["bcrypt_hash"]):
        assert secret not in state
        assert secret not in printed


def test_the_hash_of_a_password_is_bcrypts(values: dict[str, Any]) -> None:
    """`bcryptHash`: a bcrypt hash of the generated random string.

    https://www.pulumi.com/registry/packages/random/api-docs/randompassword/
    """
    password = values["password"]
    assert bcrypt.checkpw(password["result"].encode(), password["bcrypt_hash"].encode())


def test_a_string_is_made_by_the_same_rules(values: dict[str, Any]) -> None:
    """Generates a random permutation of alphanumeric characters and optionally special characters.

    https://www.pulumi.com/registry/packages/random/api-docs/randomstring/
    """
    assert re.fullmatch("[A-Za-z0-9]{16}", values["text"]["result"])
    assert len(re.findall(r"\d", values["text"]["result"])) >= 3
    assert values["text"]["id"] == values["text"]["result"]


def test_bytes_come_as_base64_and_in_hexadecimal(values: dict[str, Any]) -> None:
    """`base64` and `hex`: the generated bytes presented in base64 and lowercase hexadecimal string format.

    https://www.pulumi.com/registry/packages/random/api-docs/randombytes/
    """
    content = base64.b64decode(values["content"]["base64"])
    assert (len(content), content.hex()) == (20, values["content"]["hex"])


def test_bytes_are_secret(made: Project, values: dict[str, Any]) -> None:
    """Generates random bytes that are intended to be used as a secret, or key.

    https://www.pulumi.com/registry/packages/random/api-docs/randombytes/
    """
    assert values["content"]["hex"] not in json.dumps(made.resource("content")["outputs"])


def test_an_id_comes_in_four_forms_each_with_the_prefix(values: dict[str, Any]) -> None:
    """`b64Std`, `b64Url`, `hex`, `dec`: the id so presented; `prefix`: a string to prefix the output value with, as-is.

    https://www.pulumi.com/registry/packages/random/api-docs/randomid/
    """
    forms = {name: text.removeprefix("stack-") for name, text in values["identity"].items() if name != "id"}
    assert all(text != values["identity"][name] for name, text in forms.items())
    content = bytes.fromhex(forms["hex"])
    assert len(content) == 6
    assert base64.b64decode(forms["b64_std"]) == base64.urlsafe_b64decode(forms["b64_url"]) == content
    assert int(forms["dec"]) == int.from_bytes(content)


def test_an_integer_lies_in_its_range(values: dict[str, Any]) -> None:
    """Generates random values from a given range, described by the `min` and `max` properties, both inclusive.

    https://www.pulumi.com/registry/packages/random/api-docs/randominteger/
    """
    assert 1 <= values["die"]["result"] <= 6
    assert values["die"]["id"] == str(values["die"]["result"])


def test_a_seed_always_gives_the_same_integer(values: dict[str, Any]) -> None:
    """`seed`: a custom seed to always produce the same value.

    https://www.pulumi.com/registry/packages/random/api-docs/randominteger/
    """
    assert values["seeded"]["result"] == values["again"]["result"]


def test_a_pets_name_has_two_words_by_default(values: dict[str, Any]) -> None:
    """`length`: the length (in words) of the pet name, defaults to 2; `separator` defaults to "-".

    https://www.pulumi.com/registry/packages/random/api-docs/randompet/
    """
    assert re.fullmatch("[a-z]+-[a-z]+", values["pet"]["id"])


def test_a_pets_name_has_the_prefix_and_separator_that_are_asked_for(values: dict[str, Any]) -> None:
    """`prefix`: a string to prefix the name with; `separator`: the character to separate words in the pet name.

    https://www.pulumi.com/registry/packages/random/api-docs/randompet/
    """
    assert re.fullmatch("our(_[a-z]+){4}", values["long"]["id"])


def test_a_shuffled_list_has_the_same_elements(values: dict[str, Any]) -> None:
    """Generates a random permutation of a list of strings given as an argument.

    https://www.pulumi.com/registry/packages/random/api-docs/randomshuffle/
    """
    assert sorted(values["order"]["results"]) == ["apple", "banana", "cherry", "date", "elder"]


def test_fewer_results_leave_elements_out(values: dict[str, Any]) -> None:
    """`resultCount`: if fewer items are requested, some elements will be excluded from the result.

    https://www.pulumi.com/registry/packages/random/api-docs/randomshuffle/
    """
    assert len(set(values["some"]["results"])) == 2


def test_more_results_repeat_elements_evenly(values: dict[str, Any]) -> None:
    """If more are requested, items will be repeated but not more frequently than the number of items in the list.

    https://www.pulumi.com/registry/packages/random/api-docs/randomshuffle/
    """
    results = values["many"]["results"]
    assert len(results) == 12
    assert {results.count(fruit) for fruit in results} <= {2, 3}


@pytest.mark.parametrize(("name", "version"), [("uuid", 4), ("uuid4", 4), ("uuid7", 7)])
def test_a_uuid_is_of_its_version(values: dict[str, Any], name: str, version: int) -> None:
    """Generates a random uuid string that is intended to be used as a unique identifier for other resources.

    https://www.pulumi.com/registry/packages/random/api-docs/randomuuid7/
    """
    found = uuid.UUID(values[name]["result"])
    assert (found.version, found.variant) == (version, uuid.RFC_4122)
    assert values[name]["id"] == str(found)


def test_values_stay_until_an_input_changes(made: Project, values: dict[str, Any]) -> None:
    """The random values are stored in the state and reused until the inputs change.

    https://www.pulumi.com/registry/packages/random/
    """
    made.up("--expect-no-changes")
    made.refresh("--expect-no-changes")
    assert made.outputs() == values


def test_a_default_that_is_written_down_changes_nothing(made: Project) -> None:
    """`special`, `lower`, `upper`, `numeric`: default value is true.

    https://www.pulumi.com/registry/packages/random/api-docs/randompassword/
    """
    made.write(PROGRAM.replace("min_special=3,", "min_special=3, special=True, lower=True, numeric=True,"))
    try:
        made.preview("--expect-no-changes")
    finally:
        made.write(PROGRAM)


@pytest.fixture(scope="module")
def after_other_keepers(made: Project) -> dict[str, dict[str, Any]]:
    """What a preview with another keeper would do."""
    return previewed(made, generation="2")


@pytest.mark.parametrize("name", KEPT)
def test_another_keeper_makes_another_value(after_other_keepers: dict[str, Any], name: str) -> None:
    """`keepers`: arbitrary map of values that, when changed, will trigger recreation of resource.

    https://www.pulumi.com/registry/packages/random/api-docs/randompassword/
    """
    step = after_other_keepers[name]
    assert step["op"] == "replace"
    assert step["detailedDiff"]["keepers.generation"] == {"kind": "update-replace", "inputDiff": True}


def test_another_keeper_leaves_those_without_it_alone(after_other_keepers: dict[str, Any]) -> None:
    """The other arguments to each resource must also remain constant in order to retain a random result.

    https://registry.terraform.io/providers/hashicorp/random/latest/docs#resource-keepers
    """
    assert set(after_other_keepers) & {"plain", "own", "long", "seeded"} == set()


@pytest.fixture(scope="module")
def after_other_inputs(made: Project) -> dict[str, dict[str, Any]]:
    """What a preview with other lengths would do."""
    return previewed(made, more="1")


@pytest.mark.parametrize(("name", "path"), LONGER.items())
def test_another_input_makes_another_value(after_other_inputs: dict[str, Any], name: str, path: str) -> None:
    """The random values are reused until the inputs change, prompting the resource to be recreated.

    https://registry.terraform.io/providers/hashicorp/random/latest/docs#resource-keepers
    """
    step = after_other_inputs[name]
    assert step["op"] == "replace"
    assert step["detailedDiff"][path]["kind"] in ("update-replace", "add-replace")


def previewed(made: Project, **configuration: str) -> dict[str, dict[str, Any]]:
    """The preview's steps with another configuration, which is taken back."""
    made.write(PROGRAM, configuration)
    try:
        return made.steps()
    finally:
        made.write(PROGRAM, {})


REFUSED = {
    "length=0": 'random.RandomString("it", length=0)',
    "more than it is long": 'random.RandomPassword("it", length=4, min_upper=3, min_lower=3)',
    "no class": 'random.RandomString("it", length=4, special=False, upper=False, lower=False, numeric=False)',
    "no byte": 'random.RandomId("it", byte_length=0)',
}


@pytest.mark.parametrize("wrong", REFUSED.values(), ids=REFUSED)
def test_inputs_that_cannot_be_met_are_refused_in_the_preview(project: Project, wrong: str) -> None:
    """`length`: the minimum value is 1 and, length must also be >= (minUpper + minLower + minNumeric + minSpecial).

    https://www.pulumi.com/registry/packages/random/api-docs/randomstring/
    """
    project.write(f"import pulumi_random as random\n{wrong}\n", {})
    assert "random:index" in project.preview(succeeds=False).said


IMPORTS = {
    "Password": ("correct-horse", "none", "result"),
    "String": ("battery", "battery", "result"),
    "Bytes": ("8/fu3q+2DcgSJ19i0jZ5Cw==", "8/fu3q+2DcgSJ19i0jZ5Cw==", "base64"),
    "Id": ("p-9hUg", "p-9hUg", "b64Url"),
    "Integer": ("15390,1,50000", "15390", "result"),
    "Uuid": ("aabbccdd-eeff-4011-8233-445566778899", "aabbccdd-eeff-4011-8233-445566778899", "result"),
}


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A stack of values that were imported, in one command."""
    project = make_project(tmp_path_factory.mktemp("imported"))
    project.write("", {})
    resources = [
        {"type": f"random:index/random{kind}:Random{kind}", "name": kind, "id": given}
        for kind, (given, _, _) in IMPORTS.items()
    ]
    file = project.directory / "resources.json"
    file.write_text(json.dumps({"resources": resources}))
    project.pulumi(
        "import",
        f"--file={file}",
        f"--stack={STACK}",
        "--yes",
        "--skip-preview",
        "--generate-code=false",
        "--protect=false",
    )
    return project


@pytest.mark.parametrize("kind", IMPORTS)
def test_a_value_can_be_imported(imported: Project, kind: str) -> None:
    """Import: a password by its value, an integer by `result,min,max`, bytes by base64, an id by its b64Url.

    https://www.pulumi.com/registry/packages/random/api-docs/randominteger/#import
    """
    given, identity, output = IMPORTS[kind]
    found = imported.resource(kind)
    assert found["id"] == identity
    shown = imported.pulumi("stack", "export", "--show-secrets", f"--stack={STACK}").output
    [resource] = [item for item in json.loads(shown)["deployment"]["resources"] if item["urn"].endswith(f"::{kind}")]
    value = resource["outputs"][output]
    revealed = json.loads(value["plaintext"]) if isinstance(value, dict) else value
    assert str(revealed) == given.split(",")[0]
