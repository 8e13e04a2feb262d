"""The schema of a package, derived from its Python SDK: as a program, with a name and a version, this prints it.

The official plugins have theirs compiled in. Of what is to be had here only the SDK knows the same, in its classes'
types: resources, the types of their properties, and which must be given. That is what writing code takes
(`pulumi import`). Descriptions, secrets and functions are left out, and an enumeration is what its values are.
"""

import enum
import importlib
import inspect
import json
import pkgutil
import sys
import typing
import warnings
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from types import ModuleType, NoneType, UnionType
from typing import Any, Final

import pulumi
from pulumi import _types

_PRIMITIVES: Final = {str: "string", bool: "boolean", int: "integer", float: "number"}
_ANY: Final = {"$ref": "pulumi.json#/Any"}
_BUILT_IN: Final = {pulumi.Asset: {"$ref": "pulumi.json#/Asset"}, pulumi.Archive: {"$ref": "pulumi.json#/Archive"}}

Spec = dict[str, Any]


def derive(name: str, version: str) -> Spec:
    """The schema of a package whose SDK is installed.

    Raises ModuleNotFoundError when it isn't.
    """
    return _Package(name).schema(version)


class _Package:
    def __init__(self, name: str) -> None:
        self._name = name
        self._sdk = f"pulumi_{name.replace('-', '_')}"
        self._types: dict[str, Spec] = {}
        self._resources: dict[type, ModuleType] = dict(self._walk())
        # The module of a resource's token -> where its class is, which need not be the same: those of
        # rbac.authorization.k8s.io/v1 are in pulumi_kubernetes.rbac.v1.
        self._places = {
            token.split(":")[1]: self._place(resource)
            for resource in self._resources
            if not (token := _token(resource)).startswith("pulumi:")
        }
        self._modules = {place: module for module, place in self._places.items()}

    def schema(self, version: str) -> Spec:
        resources = {_token(each): self._resource(each, module) for each, module in self._resources.items()}
        provider = resources.pop(f"pulumi:providers:{self._name}", {})
        overrides = {module: place.replace(".", "/") for module, place in self._places.items()}
        # Packages that are made of Terraform's have a module for each resource, `index/randomId`, that isn't Pulumi's.
        bridged = any(module.startswith("index/") for module in self._places)
        return {
            "name": self._name,
            "version": version,
            "meta": {"moduleFormat": "(.*)(?:/[^/]*)" if bridged else "(.*)"},
            "provider": provider,
            "resources": resources,
            "types": self._types,
            "language": {"python": {"moduleNameOverrides": overrides}},
        }

    def _walk(self) -> Iterator[tuple[type, ModuleType]]:
        """Each resource that a provider makes, and the file that it and its arguments are in."""
        package = importlib.import_module(self._sdk)
        for found in pkgutil.walk_packages(package.__path__, f"{self._sdk}."):
            if found.name.startswith(f"{self._sdk}.config"):
                continue  # the provider's settings: no resources, and it can be imported in one order only
            module = importlib.import_module(found.name)
            for value in list(vars(module).values()):
                made_by_a_provider = inspect.isclass(value) and issubclass(value, pulumi.CustomResource)
                if made_by_a_provider and value.__module__ == found.name and "pulumi_type" in vars(value):
                    yield value, module

    def _place(self, defined: type) -> str:
        """The package, within the SDK, that people import a class from: `rbac.v1`, or nothing for the SDK itself."""
        return defined.__module__.removeprefix(self._sdk).rpartition(".")[0].removeprefix(".")

    def _resource(self, resource: type, module: ModuleType) -> Spec:
        arguments = next(found for name in module.__all__ if _types.is_input_type(found := getattr(module, name)))
        outputs = {name: self._type(hint) for name, hint in _types.resource_types(resource).items() if name != "urn"}
        inputs = self._object(arguments)
        return {
            "properties": outputs,
            "inputProperties": inputs["properties"],
            "requiredInputs": inputs["required"],
        }

    def _object(self, described: type) -> Spec:
        """An object type. What an output has is never asked for, so nothing in it is required."""
        if not _types.is_input_type(described):
            hints, required = _types.output_type_types(described), []
        else:
            hints = _types.input_type_types(described)
            names = _types.input_type_py_to_pulumi_names(described)
            parameters = list(inspect.signature(described.__init__).parameters.values())[1:]  # type: ignore[misc]
            required = [names[each.name] for each in parameters if each.default is each.empty]
        return {
            "type": "object",
            "properties": {name: self._type(hint) for name, hint in hints.items()},
            "required": required,
        }

    def _type(self, hint: Any) -> Spec:
        """What a type hint is in a schema."""
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if hint in _BUILT_IN:
            return _BUILT_IN[hint]
        if hint in _PRIMITIVES:
            return {"type": _PRIMITIVES[hint]}
        if origin is typing.Literal:
            return {"type": _PRIMITIVES[type(arguments[0])], "const": arguments[0]}
        if origin in (typing.Union, UnionType):
            return self._union(arguments)
        if origin in (list, Sequence):
            return {"type": "array", "items": self._type(arguments[0])}
        if origin in (dict, Mapping):
            return {"type": "object", "additionalProperties": self._type(arguments[1])}
        if inspect.isclass(hint) and issubclass(hint, enum.Enum):
            return self._type(type(next(iter(hint)).value))
        if inspect.isclass(hint) and (_types.is_input_type(hint) or _types.is_output_type(hint)):
            return {"$ref": f"#/types/{self._reference(hint)}"}
        return _ANY

    def _union(self, alternatives: Sequence[Any]) -> Spec:
        """One of several. That a value may come later, or be left out, is no alternative."""
        later = (Awaitable, pulumi.Output)
        found: list[Spec] = []
        for each in alternatives:
            if each is not NoneType and typing.get_origin(each) not in later:
                spec = self._type(each)
                if spec not in found:
                    found.append(spec)
        if len(found) == 1:
            return found[0]
        return _ANY if _ANY in found else {"oneOf": found}

    def _reference(self, described: type) -> str:
        """The token of an object type, which is described the first time that it is met.

        Arguments and outputs are two classes, `ObjectMetaArgs` and `ObjectMeta`, of one type. The arguments' says more.
        """
        place = self._place(described)
        name = described.__name__
        if _types.is_input_type(described):
            name = name.removesuffix("Args")
        else:
            inputs = sys.modules.get(f"{described.__module__.rpartition('.')[0]}._inputs")
            described = getattr(inputs, f"{name}Args", described)
        module = self._modules.get(place) or place.replace(".", "/")
        token = f"{self._name}:{module if place else 'index'}:{name}"
        if token not in self._types:
            self._types[token] = {}  # it may refer to itself
            self._types[token] = self._object(described)
        return token


def _token(resource: type) -> str:
    return str(vars(resource)["pulumi_type"])


def main() -> None:
    """Print the schema of the package that the arguments name."""
    warnings.simplefilter("ignore")  # of deprecated classes, which nobody here uses
    json.dump(derive(*sys.argv[1:]), sys.stdout)


if __name__ == "__main__":
    main()
