"""Where Google keeps a stack's lines and traces, and who may bring them there."""

import yaml

from components.google import identity
from components.monitoring import answers
from tests.unit.conftest import Stacks
from tests.unit.recording import Recording

PROJECT, NUMBER = "vision-week-production", 100000000001


def collecting(production: Recording) -> dict[str, str]:
    files: dict[str, str] = production.one("ConfigMap", "collector").inputs["data"]
    return files


def test_the_collectors_may_write_lines_and_spans_and_nothing_else(stacks: Stacks) -> None:
    member = identity.of_pods(PROJECT, NUMBER, "ns/vision-week-node/sa/collector")
    granted = {one.inputs["role"]: one.type for one in stacks("production").made if one.inputs.get("member") == member}
    assert set(granted) == {
        "roles/telemetry.logsWriter",
        "roles/telemetry.tracesWriter",
        "roles/serviceusage.serviceUsageConsumer",
    }


def test_lines_are_in_a_bucket_of_the_stacks_own_region_and_in_no_other(stacks: Stacks) -> None:
    """DECISIONS: personal data. Of what is kept out of the first bucket nothing is kept out of ours."""
    production = stacks("production")
    bucket = production.one("ProjectBucketConfig", "logs")
    assert (bucket.inputs["location"], bucket.inputs["retentionDays"]) == ("europe-west1", 180)
    sink, exclusion = production.one("ProjectSink", "logs"), production.one("ProjectExclusion", "logs")
    assert sink.inputs["filter"] == exclusion.inputs["filter"]
    assert 'namespace_name:"vision-week-"' in sink.inputs["filter"]
    assert bucket.urn in sink.depends_on
    # Never in neither: what is kept out of the first is in ours by then.
    assert sink.urn in exclusion.depends_on


def test_what_goes_to_google_went_through_the_same_hands_as_what_goes_to_loki(stacks: Stacks) -> None:
    """S7.3: redacted, and not by GKE's own agent, which redacts nothing."""
    production = stacks("production")
    google = yaml.safe_load(collecting(production)["google.yaml"])
    lines, spans = (google["service"]["pipelines"][name] for name in ("logs", "traces"))
    assert lines["exporters"] == ["otlp_http", answers.COUNTER, "otlp_http/google-logs"]
    assert lines["processors"][:2] == ["memory_limiter", "transform"]
    assert spans == {
        "processors": ["memory_limiter", "transform/traces", "transform/google"],
        "exporters": ["otlp_http/google-traces"],
    }
    (cluster,) = [one for one in production.of("Cluster") if one.type.startswith("gcp:container")]
    assert "WORKLOADS" not in cluster.at("loggingConfig", "enableComponents")


def test_a_google_that_is_away_stops_no_line_on_its_way_to_loki(stacks: Stacks) -> None:
    files = collecting(stacks("production"))
    loki = yaml.safe_load(files["collector.yaml"])["exporters"]["otlp_http"]["sending_queue"]
    google = yaml.safe_load(files["google.yaml"])["exporters"]["otlp_http/google-logs"]["sending_queue"]
    assert (loki["block_on_overflow"], google["block_on_overflow"]) == (True, False)


def test_the_collectors_reach_googles_api_within_the_network(stacks: Stacks) -> None:
    production = stacks("production")
    zone = production.one("ManagedZone", "telemetry")
    assert (zone.inputs["dnsName"], zone.inputs["visibility"]) == ("telemetry.googleapis.com.", "private")
    assert production.one("RecordSet", "telemetry").inputs["rrdatas"] == [f"199.36.153.{end}" for end in range(4, 8)]
