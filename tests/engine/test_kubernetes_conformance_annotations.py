"""What a program may say about waiting, by annotations and options, as the official plugin documents it.

Each test states one documented behaviour and where it is documented; the plugin under test comes from the environment
(`wire.py`). `python -m tests.engine.table` writes them into docs/local-cloud.md.
"""

import json
from typing import Any

import pytest

from localcloud.plugins.provider import Failed, Incomplete
from localcloud.plugins.values import Values
from tests.engine.conformance import Wire
from tests.engine.definitions import DEFINITION, definition
from tests.engine.planes import Api
from tests.engine.waiting import failure
from tests.engine.wire import WiredStack
from tests.engine.workloads import workload

pytestmark = pytest.mark.engine

CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"


def annotated(inputs: Values, **annotations: Any) -> Values:
    """These inputs with annotations of Pulumi's."""
    given = {f"pulumi.com/{name}": value for name, value in annotations.items()}
    return {**inputs, "metadata": {**inputs["metadata"], "annotations": given}}


@pytest.mark.parametrize("value", ["true", "ready"])
def test_nothing_is_waited_for_on_demand(wired: WiredStack, value: str) -> None:
    """`pulumi.com/skipAwait`: the object is created without waiting for it to become ready.

    https://www.pulumi.com/registry/packages/kubernetes/installation-configuration/
    """
    assert wired.up(DEPLOYMENT, "it", annotated(workload("unpullable"), skipAwait=value))["metadata"]["name"] == "app"


def test_the_time_to_wait_is_in_the_resources_options(wired: WiredStack) -> None:
    """`customTimeouts` say how long to wait, before the annotation `pulumi.com/timeoutSeconds`.

    https://github.com/pulumi/pulumi-kubernetes/issues/672
    """
    failure(wired, DEPLOYMENT, annotated(workload("unpullable"), timeoutSeconds="600"), timeout=2)


def test_the_time_to_wait_is_in_an_annotation(wired: WiredStack) -> None:
    """`pulumi.com/timeoutSeconds`: how many seconds to wait for the resource to become ready.

    https://www.pulumi.com/registry/packages/kubernetes/installation-configuration/
    """
    failure(wired, DEPLOYMENT, annotated(workload("unpullable"), timeoutSeconds="2"), timeout=0)


OR = {"operator": "or", "conditions": ["jsonpath={.data.a}=2", "jsonpath={.data.a}=1"]}
AND = {"operator": "and", "conditions": [OR, "jsonpath={.data.b}"]}


@pytest.mark.parametrize(
    ("expression", "data", "ready"),
    [
        ("jsonpath={.data.a}=1", {"a": "1"}, True),
        ("jsonpath={.data.a}=2", {"a": "1"}, False),
        ("jsonpath={.data.a}", {"a": "1"}, True),
        ("jsonpath={.data.b}", {"a": "1"}, False),
        (["jsonpath={.data.a}=1", "jsonpath={.data.b}"], {"a": "1", "b": "2"}, True),
        (["jsonpath={.data.a}=1", "jsonpath={.data.b}"], {"a": "1"}, False),
    ],
)
def test_the_programs_own_paths_are_waited_for(wired: WiredStack, expression: Any, data: Values, ready: bool) -> None:
    """`pulumi.com/waitFor`: a JSONPath with or without a value, or a JSON array of which all must hold.

    https://www.pulumi.com/registry/packages/kubernetes/installation-configuration/
    """
    expect(wired, expression, data, ready)


@pytest.mark.parametrize(
    ("expression", "data", "ready"),
    [(OR, {"a": "1"}, True), (OR, {"a": "3"}, False), (AND, {"a": "1", "b": "1"}, True), (AND, {"a": "1"}, False)],
)
def test_the_programs_own_conditions_are_combined(
    wired: WiredStack, expression: Any, data: Values, ready: bool
) -> None:
    """`pulumi.com/waitFor`: conditions are combined by the operators `and` and `or`, nested.

    https://github.com/pulumi/pulumi-kubernetes/blob/master/docs/complex-waitfor-conditions.md
    """
    expect(wired, expression, data, ready)


def expect(wired: WiredStack, expression: Any, data: Values, ready: bool) -> None:
    text = expression if isinstance(expression, str) else json.dumps(expression)
    inputs = annotated({"metadata": {"name": "it"}, "data": data}, waitFor=text)
    if ready:
        assert wired.up(CONFIG_MAP, "it", inputs, timeout=60)["data"] == data
    else:
        failure(wired, CONFIG_MAP, inputs, timeout=2)


@pytest.mark.parametrize(
    ("expression", "ready"),
    [("condition=Progressing", True), ("condition=Available", False), ("condition=Available=False", True)],
)
def test_a_condition_of_the_object_is_waited_for(wired: WiredStack, expression: str, ready: bool) -> None:
    """`pulumi.com/waitFor`: `condition=Type` or `condition=Type=Status`, as kubectl's; the default is True.

    https://www.pulumi.com/registry/packages/kubernetes/installation-configuration/
    """
    inputs = annotated(workload("unpullable"), waitFor=expression)
    if ready:
        assert wired.up(DEPLOYMENT, "it", inputs, timeout=60)["metadata"]["name"] == "app"
    else:
        failure(wired, DEPLOYMENT, inputs, timeout=2)


def test_skipping_comes_before_the_programs_own_conditions(wired: WiredStack) -> None:
    """`pulumi.com/waitFor` has no effect if `pulumi.com/skipAwait` is also present.

    https://www.pulumi.com/registry/packages/kubernetes/installation-configuration/
    """
    inputs = annotated(workload("unpullable"), waitFor="condition=Available", skipAwait="true")
    assert wired.up(DEPLOYMENT, "it", inputs)["metadata"]["name"] == "app"


def test_a_condition_that_can_not_be_read_is_an_error(wired: WiredStack) -> None:
    """`pulumi.com/waitFor` without the prefix `jsonpath=` or `condition=` is refused.

    https://github.com/pulumi/pulumi-kubernetes/blob/master/provider/pkg/await/condition/ready.go
    """
    with pytest.raises((Failed, Incomplete)):
        wired.up(CONFIG_MAP, "it", annotated({"metadata": {"name": "it"}}, waitFor="{.baz}=boo"))


@pytest.mark.parametrize(
    ("everything", "status", "ready"),
    [("true", "False", False), ("true", "True", True), ("", "False", True)],
)
def test_any_kind_is_waited_for_on_demand(wire: Wire, api: Api, everything: str, status: str, ready: bool) -> None:
    """PULUMI_K8S_AWAIT_ALL=true: objects that follow conventions like the condition Ready are waited for.

    https://www.pulumi.com/registry/packages/kubernetes/installation-configuration/
    """
    stack = wire(variables={"PULUMI_K8S_AWAIT_ALL": everything})
    group = f"{api.namespace}.await.example.com"
    stack.up(DEFINITION, "things", definition(group))
    condition = {"type": "Ready", "status": status, "reason": "Played", "message": "so far"}
    inputs = annotated({"metadata": {"name": "it"}}, deletionPropagationPolicy="background")  # no garbage to collect
    inputs["status"] = {"conditions": [condition]}
    token = f"kubernetes:{group}/v1:Thing"
    if ready:
        assert stack.up(token, "it", inputs, timeout=60)["metadata"]["name"] == "it"
    else:
        failure(stack, token, inputs, timeout=2)
    stack.remove("it")
    stack.remove("things")
