"""What every nginx answered, by status: its own counters have none, so the lines of its log are counted.

The collector on each node (`collector.py`) counts the requests that it reads there and shows Prometheus the sums. Only
there are answers seen that nginx gives by itself: too many requests, a body too large, nobody behind that answers in
time. Lines that are older than a few minutes aren't counted: a collector that was started again reads files anew.
"""

import yaml

# Where the collector shows them.
PORT = 8890
NAME = "answers"
# The attribute that a line about a request has its status in.
STATUS = "status"
COUNTED = "nginx_answers_total"
# What counts lines, and what the collector calls it.
COUNTER = "signal_to_metrics"
# Minutes. Lines arrive within seconds; those that waited for Loki longer than this are in no number.
_RECENT = 5
# A status that was not seen for a while comes back with its sum, not as a new number, whose first answers no rate has.
_EVER = "87600h"


def status_of_line() -> str:
    """The status of a request as an attribute of its line, in OpenTelemetry's own language. nginx has no others, so
    that these are few."""
    said = f'log.cache["{STATUS}"]'
    nginx = 'resource.attributes["k8s.container.name"] == "nginx"'
    return f'set(log.attributes["{STATUS}"], Int({said})) where {nginx} and IsMatch({said}, "^[1-5][0-9][0-9]$$")'


def configuration(address: str = f"0.0.0.0:{PORT}") -> str:
    """What is added to the collector's own configuration, whose lines go to the counter as well."""
    named = {"namespace": "k8s.namespace.name", "service": "service.name"}
    counted = {
        "name": COUNTED,
        "description": "Requests that nginx answered, by status",
        "include_resource_attributes": [{"key": key} for key in named.values()],
        "attributes": [{"key": STATUS}],
        "conditions": [f'Now() - time < Duration("{_RECENT}m")'],
        "sum": {"value": "1", "monotonic": True},
    }
    labels = [f'set(datapoint.attributes["{label}"], resource.attributes["{key}"])' for label, key in named.items()]
    shown = {
        "endpoint": address,
        "add_metric_suffixes": False,
        "without_scope_info": True,
        "metric_expiration": _EVER,
    }
    pipeline = {
        "receivers": [COUNTER],
        "processors": ["transform/answers", "deltatocumulative"],
        "exporters": ["prometheus/answers"],
    }
    return yaml.safe_dump(
        {
            "connectors": {COUNTER: {"logs": [counted]}},
            "processors": {
                "transform/answers": {
                    "error_mode": "silent",
                    "metric_statements": [
                        {"context": "datapoint", "statements": labels},
                        {"context": "resource", "statements": ['delete_matching_keys(resource.attributes, ".*")']},
                    ],
                },
                "deltatocumulative": {"max_stale": _EVER},
            },
            "exporters": {"prometheus/answers": shown},
            "service": {"pipelines": {"metrics/answers": pipeline}},
        },
        sort_keys=False,
        width=1000,
    )
