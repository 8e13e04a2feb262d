"""What goes over the wire: no rule sees a secret, and every finding says what to do."""

import datetime
import json
from typing import Any

import pytest
from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime.proto import analyzer_pb2

from policies.analyzer import RULES, Analyzer, plain
from policies.rules import SECRET, UNKNOWN
from tests.unit.recording import CHECKOUT
from tests.unit.stacks import buildable

SIGNATURE = "4dabf18193072939515e22adb298388d"
MARKED = {SIGNATURE: "1b47061264138c4ac30d75fd1eb44270", "value": "hunter22"}
TODAY = datetime.date(2026, 12, 1)
CONTEXT: Any = None
URN = "urn:pulumi:{stack}::vision-week::kubernetes:core/v1:Secret::app"


def struct(**fields: Any) -> struct_pb2.Struct:
    made = struct_pb2.Struct()
    made.update(fields)
    return made


def asked(properties: struct_pb2.Struct, stack: str = "production") -> analyzer_pb2.AnalyzeRequest:
    return analyzer_pb2.AnalyzeRequest(
        type="kubernetes:core/v1:Secret", name="app", urn=URN.format(stack=stack), properties=properties
    )


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (MARKED, SECRET),
        ("[secret]", SECRET),
        ("04da6b54-80e4-46f7-96ec-b56ff0331ba9", UNKNOWN),
        ({"a": [1, 2.5, True, None, "x"]}, {"a": [1, 2.5, True, None, "x"]}),
        ({SIGNATURE: "c44067f5952c0a294b673a41bacd8c17", "path": "x"}, None),
    ],
    ids=["secret", "redacted", "unknown", "plain", "asset"],
)
def test_values_are_read_without_what_is_secret_in_them(value: Any, seen: Any) -> None:
    assert plain(struct(value=value).fields["value"]) == seen


def test_a_finding_has_its_source_its_remedy_and_its_severity() -> None:
    metadata = {"namespace": "web", "labels": {"app.kubernetes.io/part-of": "x", "app.kubernetes.io/managed-by": "y"}}
    answer = Analyzer(TODAY).Analyze(asked(struct(metadata=metadata, stringData={"a": "hunter22"})), CONTEXT)
    (one,) = answer.diagnostics
    assert one.policyName == "no-secret-literal"
    assert one.urn == URN.format(stack="production")
    assert one.enforcementLevel == analyzer_pb2.MANDATORY
    assert one.severity == analyzer_pb2.POLICY_SEVERITY_CRITICAL
    assert "stringData.a is not marked as secret" in one.message
    assert "NSA/CISA" in one.message
    assert "What to do: Put it into a Secret" in one.message
    assert "hunter22" not in str(answer)


def test_the_pack_tells_of_every_rule() -> None:
    told = Analyzer(TODAY).GetAnalyzerInfo(empty_pb2.Empty(), CONTEXT)
    assert [one.name for one in told.policies] == [*(rule.name for rule in RULES), "exemption-holds"]
    assert all(one.remediation_steps and one.framework.name and one.severity for one in told.policies)


def test_the_settings_of_the_engine_decide_whatever_the_file_says() -> None:
    """`pulumi preview --config` reaches the pack too."""
    bare = kubernetes_claim()
    lax, strict = Analyzer(TODAY), Analyzer(TODAY)
    config = {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in buildable("development").items()
    }
    lax.ConfigureStack(analyzer_pb2.AnalyzerStackConfigureRequest(config=config), CONTEXT)
    strict.ConfigureStack(
        analyzer_pb2.AnalyzerStackConfigureRequest(config={**config, "vision-week:protect": "true"}), CONTEXT
    )
    assert [one.policyName for one in lax.Analyze(bare, CONTEXT).diagnostics] == []
    assert [one.policyName for one in strict.Analyze(bare, CONTEXT).diagnostics] == ["data-protected"]


def test_settings_that_are_wrong_excuse_nothing() -> None:
    analyzer = Analyzer(TODAY)
    wrong = {"vision-week:protect": "perhaps"}
    analyzer.ConfigureStack(analyzer_pb2.AnalyzerStackConfigureRequest(config=wrong), CONTEXT)
    assert [one.policyName for one in analyzer.Analyze(kubernetes_claim("nowhere"), CONTEXT).diagnostics] == [
        "data-protected"
    ]


def test_the_engine_is_given_the_whole_resource_with_what_was_missing() -> None:
    bare = struct(metadata={"namespace": "web"}, stringData=MARKED)
    (one,) = Analyzer(TODAY).Remediate(asked(bare), CONTEXT).remediations
    assert (one.policyName, one.diagnostic) == ("standard-labels", "")
    labels = {"app.kubernetes.io/part-of": "vision-week", "app.kubernetes.io/managed-by": "pulumi"}
    assert one.properties == struct(metadata={"namespace": "web", "labels": labels}, stringData=MARKED)


def test_a_resource_that_lacks_nothing_is_not_given_back() -> None:
    assert not Analyzer(TODAY).Remediate(kubernetes_claim(), CONTEXT).remediations


def test_the_pack_says_which_rules_mend_by_themselves() -> None:
    told = {one.name: one for one in Analyzer(TODAY).GetAnalyzerInfo(empty_pb2.Empty(), CONTEXT).policies}
    mending = {name for name, one in told.items() if one.enforcementLevel == analyzer_pb2.REMEDIATE}
    assert mending == {rule.name for rule in RULES if rule.adds}
    assert all(("added by itself" in one.remediation_steps) == (name in mending) for name, one in told.items())


def test_a_rollback_s_rules_warn_and_still_mend() -> None:
    """What it brings back may have been exempted then, and is not any more."""
    levels = json.loads((CHECKOUT / "policies" / "advisory.json").read_text())
    assert levels == {"all": "advisory"}
    advisory = {rule.name: analyzer_pb2.PolicyConfig(enforcementLevel=analyzer_pb2.ADVISORY) for rule in RULES}
    analyzer = Analyzer(TODAY)
    analyzer.Configure(analyzer_pb2.ConfigureAnalyzerRequest(policyConfig=advisory), CONTEXT)
    spoken = asked(struct(metadata={"namespace": "web"}, stringData={"a": "hunter22"}))
    assert {one.enforcementLevel for one in analyzer.Analyze(spoken, CONTEXT).diagnostics} == {analyzer_pb2.ADVISORY}
    assert len(analyzer.Remediate(spoken, CONTEXT).remediations) == 1


def test_the_pack_asks_for_the_environment_that_the_program_has() -> None:
    assert "virtualenv: ../.venv" in (CHECKOUT / "policies" / "PulumiPolicy.yaml").read_text()


def kubernetes_claim(stack: str = "production") -> analyzer_pb2.AnalyzeRequest:
    labels = {"app.kubernetes.io/part-of": "x", "app.kubernetes.io/managed-by": "y"}
    return analyzer_pb2.AnalyzeRequest(
        type="kubernetes:core/v1:PersistentVolumeClaim",
        name="uploads",
        urn=URN.format(stack=stack),
        properties=struct(metadata={"namespace": "web", "labels": labels}),
    )
