"""Google's reference of its APIs, as its own client for Python brings it: what an answer may look like."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from googleapiclient.discovery_cache import get_static_doc
from jsonschema import Draft202012Validator

_VERSIONS: Final = {"logging": "v2"}


def faults(api: str, kind: str, answer: Any) -> Iterator[str]:
    """What of an answer its reference doesn't know: a field, a kind of value, a word. kind: `Cluster`."""
    told = get_static_doc(api, _VERSIONS.get(api, "v1"))
    assert told, f"the client knows no {api}"
    schemas = {name: _strict(schema) for name, schema in json.loads(told)["schemas"].items()}
    validator = Draft202012Validator({"$ref": f"#/schemas/{kind}", "schemas": schemas})
    for each in validator.iter_errors(answer):
        yield f"{each.json_path}: {each.message}"


def _strict(schema: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON Schema has it, and with no other fields than these."""
    if "$ref" in schema:
        return {"$ref": f"#/schemas/{schema['$ref']}"}
    made = {key: schema[key] for key in ("type", "enum") if key in schema and schema[key] != "any"}
    if "properties" in schema:
        made["properties"] = {name: _strict(each) for name, each in schema["properties"].items()}
        made["additionalProperties"] = False
    elif "additionalProperties" in schema:
        made["additionalProperties"] = _strict(schema["additionalProperties"])
    if "items" in schema:
        made["items"] = _strict(schema["items"])
    return made
