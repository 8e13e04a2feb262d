"""The provider: inputs are checked against pulumi-gcp's types, and the simulated cloud asked whether it takes them."""

import re
from collections.abc import Mapping
from functools import cached_property
from importlib import metadata
from ipaddress import IPv4Network
from typing import Any, Final

from localcloud.plugins.changes import Change, Diff, compare
from localcloud.plugins.gcp import buckets, cloud, kinds, outputs, refusals, shape
from localcloud.plugins.gcp.cloud import Thing, World
from localcloud.plugins.gcp.kinds import KINDS, Kind
from localcloud.plugins.gcp.outputs import Place
from localcloud.plugins.gcp.refusals import Refusal, Wanted, at
from localcloud.plugins.provider import (
    Check,
    Comparison,
    Create,
    Delete,
    Failed,
    Found,
    Provider,
    Read,
    Refused,
    Resource,
    Update,
)
from localcloud.plugins.quarantine import marked, require_own
from localcloud.plugins.values import UNKNOWN, Unknown, Values, has_unknown, reveal, seal_like

_PROVIDER: Final = "pulumi:providers:gcp"
# The provider's own inputs that mean something here. Credentials are none of it: nobody is asked for any.
_SETTINGS: Final = ("project", "region", "zone", "billingProject", "userProjectOverride")
_DEFAULTS: Final = "__defaults"  # which inputs the plugin made up, as the official one notes them


class SimulatedGoogleCloud(Provider):
    """The local stand-in for pulumi-gcp."""

    name = "gcp"
    version = "10.2.0"
    autonaming = True

    def __init__(self) -> None:
        super().__init__()
        self._settings: Values = {}

    # The provider itself.

    def check_config(self, request: Check) -> Mapping[str, Any]:
        """Refuse settings that pulumi-gcp doesn't know, and those that lead to the real Google Cloud."""
        known = self._shape(_PROVIDER)["inputs"]
        failures = []
        for name, value in request.new.items():
            if name not in known and name not in ("version", "pluginDownloadURL", "__internal"):
                failures.append((name, "pulumi-gcp's provider knows no such setting"))
            elif name not in (*_SETTINGS, "version", "pluginDownloadURL", "__internal") and value is not None:
                failures.append((name, "the simulated Google Cloud has no use for it: it never asks the real one"))
        if failures:
            raise Refused(failures)
        return request.new

    def configure(self, inputs: Values) -> None:
        """Which project and region resources are in that name none."""
        self._settings = {name: value for name, value in reveal(inputs).items() if not isinstance(value, Unknown)}

    def schema(self) -> str:
        """None: the package has hundreds of services, of which a few kinds are simulated."""
        raise Failed(
            "the simulated Google Cloud has no schema to write code from: `pulumi import --generate-code=false`"
        )

    # Its resources.

    def check(self, request: Check) -> Mapping[str, Any]:
        """Refuse what the types or Google's documented forms refuse; make up the name that isn't given."""
        kind = self._kind(request.resource)
        described = self._shape(request.resource.type)
        inputs = {name: value for name, value in request.new.items() if value is not None}
        inputs |= self._named(kind, described, request, inputs)
        revealed = reveal(inputs)
        failures = shape.faults(described, revealed) or refusals.forms(request.resource.type, revealed)
        if failures:
            raise Refused(failures)
        return inputs

    def diff(self, request: Comparison) -> Diff:
        """Compare what was asked for with what is: parts of the id, and what Google can't change, make a new one."""
        require_own(self.name, request.old_outputs, request.resource.urn)
        kind, described = self._kind(request.resource), self._shape(request.resource.type)
        old, new = _given(request.old_inputs), _given(request.new)
        # What was imported says where it is; the program may leave that to the provider.
        for name, place in self._places(kind).items():
            if name in old or name in new:
                old.setdefault(name, place)
                new.setdefault(name, place)
        parts = re.findall(r"\{(\w+)\}", self._template(request.resource.type))

        def replaces(path: str) -> bool:
            if request.resource.type == kinds.SUBNETWORK and path == "ipCidrRange":
                return not _grows(old.get(path), new.get(path))
            top = path.partition(".")[0].partition("[")[0]
            bare = re.sub(r"\[.*?\]", "", path)
            # Where all of a map came or went the path is the map's.
            within = any(
                f"{bare}.".startswith(f"{fixed}.")
                or (fixed.startswith(f"{bare}.") and at(old, fixed) != at(new, fixed))
                for fixed in kind.fixed
            )
            return top in parts or within or shape.fixed(described, path)

        changes: dict[str, Change] = compare(old, new, replaces)
        # The new one would have the old one's name.
        taken = bool(kind.url) and kind.name not in request.new.get(_DEFAULTS, ())
        taken = taken and all(old.get(part) == new.get(part) for part in parts)
        return Diff(changes, delete_before_replace=taken and any(each.replace for each in changes.values()))

    def create(self, request: Create) -> tuple[str, Mapping[str, Any]]:
        """Make it in the simulated cloud, which may refuse."""
        token, inputs = request.resource.type, _given(request.inputs)
        kind = self._kind(request.resource)
        if request.preview:
            return "", self._outputs(request.inputs, self._unknown(token, inputs))
        with cloud.world() as world:
            place = self._place(world, token, inputs)
            number = self._number(world, token, inputs)
            name = self._id(self._template(token), token, inputs, place, number)
            parents = self._parents(kind, token, inputs, place)
            refusals.making(world, Wanted(token, place.project, place.region, name, inputs, parents))
            thing = world.add(token, name, {**inputs, "project": place.project}, number, parents.values())
            _effects(token, place, inputs)
            if token == kinds.BUCKET:
                buckets.make(name, place.project, versioned=bool((inputs.get("versioning") or {}).get("enabled")))
            return name, self._outputs(request.inputs, self._computed(token, name, inputs, place, thing))

    def read(self, request: Read) -> Found | None:
        """What the simulated cloud has; None where it is gone."""
        require_own(self.name, request.outputs, request.resource.urn)
        token = request.resource.type
        self._kind(request.resource)
        with cloud.world() as world:
            thing = world.find(token, request.id)
            if thing is None:
                return None
            place = self._place(world, token, thing.inputs, writes=False)
            inputs = thing.inputs
            if request.inputs and "project" not in request.inputs:
                inputs = {name: value for name, value in inputs.items() if name != "project"}
            given = {**seal_like(inputs, request.inputs), **_made_up(request.inputs)}
            computed = self._computed(token, request.id, inputs, place, thing)
            return Found(request.id, given, self._outputs(given, computed))

    def update(self, request: Update) -> Mapping[str, Any]:
        """Change it in place."""
        require_own(self.name, request.old_outputs, request.resource.urn)
        token, inputs = request.resource.type, _given(request.new)
        kind = self._kind(request.resource)
        if request.preview:
            computed = {**_added(request.old_outputs, request.old_inputs), **self._labels(token, request.new)}
            return self._outputs(request.new, computed)
        with cloud.world() as world:
            place = self._place(world, token, inputs)
            thing = world.find(token, request.id)
            if thing is None:
                raise Refusal(404, f"{request.id} was not found", "https://google.aip.dev/193")
            parents = self._parents(kind, token, inputs, place)
            refusals.changing(world, Wanted(token, place.project, place.region, request.id, inputs, parents))
            thing.inputs = {**inputs, "project": place.project}
            return self._outputs(request.new, self._computed(token, request.id, inputs, place, thing))

    def delete(self, request: Delete) -> None:
        """Remove it from the simulated cloud, which may refuse. What Google can't delete stays there."""
        require_own(self.name, request.outputs, request.resource.urn)
        token = request.resource.type
        kind = self._kind(request.resource)
        with cloud.world() as world:
            thing = world.find(token, request.id)
            if thing is None or thing.inputs.get("deletionPolicy") == "ABANDON":
                return
            refusals.access(world, token, str(thing.inputs.get("project") or self._settings.get("project")))
            refusals.removing(world, token, request.id, thing.inputs)
            if kind.kept or (token == kinds.SERVICE and thing.inputs.get("disableOnDestroy") is False):
                return
            world.remove(token, request.id)
            if token == kinds.BUCKET:
                buckets.remove(request.id)
            if kind.retired:
                world.retired.append(f"{token} {request.id}")
            if token == kinds.SERVICE:
                about = world.projects[str(thing.inputs["project"])]
                about.apis = [each for each in about.apis if f"{each}.googleapis.com" != thing.inputs["service"]]

    # What of it is where.

    def _kind(self, resource: Resource) -> Kind:
        if resource.type not in KINDS:
            raise Failed(
                f"{resource.type} is not among the simulated Google Cloud's resources; another kind is an entry in "
                "localcloud/plugins/gcp/kinds.py"
            )
        return KINDS[resource.type]

    def _shape(self, token: str) -> shape.Shape:
        return self._shapes[token]

    @cached_property
    def _shapes(self) -> Mapping[str, shape.Shape]:
        return shape.shapes(metadata.version("pulumi-gcp"), (*KINDS, _PROVIDER))

    def _template(self, token: str) -> str:
        documented = str(self._shape(token)["id"])
        return KINDS[token].id or re.sub(r"_(\w)", lambda found: found[1].upper(), documented)

    def _named(self, kind: Kind, described: shape.Shape, request: Check, inputs: Mapping[str, Any]) -> Values:
        """A name with a tail of seven digits, the same as long as it is the same resource."""
        if not kind.url:
            return {}
        where, naming = kind.name, request.naming
        if where in inputs or described["inputs"][where].get("required"):
            return {}
        if where in request.old.get(_DEFAULTS, ()):
            return {where: request.old[where], _DEFAULTS: [where]}
        if naming is not None and naming.mode == "disable":
            raise Refused([(where, "no name is given, and none may be made up (pulumi:autonaming)")])
        made_up = naming.proposed if naming else f"{request.resource.name}-{request.seed.hex()[:7]}"
        return {where: made_up if naming and naming.mode == "enforce" else made_up.lower(), _DEFAULTS: [where]}

    def _place(self, world: World, token: str, inputs: Mapping[str, Any], *, writes: bool = True) -> Place:
        project = str(inputs.get("project") or self._settings.get("project") or "")
        about = refusals.access(world, token, project, writes=writes)
        return Place(project, about, str(inputs.get("region") or self._settings.get("region") or ""))

    def _number(self, world: World, token: str, inputs: Mapping[str, Any]) -> int:
        if token == kinds.SECRET_VERSION:
            versions = [each for each in world.of(token).values() if each.inputs["secret"] == inputs["secret"]]
            return max((each.number for each in versions), default=0) + 1
        return world.number()

    def _parents(self, kind: Kind, token: str, inputs: Mapping[str, Any], place: Place) -> dict[str, str]:
        return {parent: self._id(form, token, inputs, place, 0) for parent, form in kind.parents.items()}

    def _places(self, kind: Kind) -> dict[str, Any]:
        """Where a resource is that doesn't say."""
        project, region = self._settings.get("project"), self._settings.get("region")
        return {"project": project, "region": region, "location": kind.location or region}

    def _id(self, template: str, token: str, inputs: Mapping[str, Any], place: Place, number: int) -> str:
        known = {**self._places(KINDS[token]), **inputs, "project": place.project, "number": number}
        missing = [part for part in re.findall(r"\{(\w+)\}", template) if not known.get(part) and part != "number"]
        if missing:
            raise Refusal(400, f"{missing[0]} is missing", "https://google.aip.dev/122")
        return template.format_map(known)

    # What is told of it.

    def _computed(self, token: str, name: str, inputs: Mapping[str, Any], place: Place, thing: Thing) -> Values:
        found = outputs.computed(token, name, inputs, place, thing)
        known = self._shape(token)["outputs"]
        return {output: value for output, value in found.items() if output in known}

    def _outputs(self, inputs: Mapping[str, Any], computed: Mapping[str, Any]) -> Values:
        """What was given, and within it what was computed."""
        return marked(_merged({name: value for name, value in inputs.items() if name != _DEFAULTS}, computed))

    def _unknown(self, token: str, inputs: Mapping[str, Any]) -> Values:
        """A preview knows what follows from the inputs and the provider alone."""
        pure = {name: UNKNOWN for name in self._shape(token)["outputs"] if name not in self._shape(token)["inputs"]}
        nested = {"masterAuth": UNKNOWN, "controlPlaneEndpointsConfig": {"dnsEndpointConfig": {"endpoint": UNKNOWN}}}
        unknown = {**pure, **(nested if token == kinds.CLUSTER else {}), **self._labels(token, inputs)}
        for name in ("project", "region"):
            if name in self._shape(token)["outputs"] and self._settings.get(name):
                unknown[name] = self._settings[name]
        return unknown

    def _labels(self, token: str, inputs: Mapping[str, Any]) -> Values:
        """Labels as they will be, where the inputs' are known."""
        found = {} if has_unknown(inputs) else outputs.labels(reveal(inputs))
        return {name: value for name, value in found.items() if name in self._shape(token)["outputs"]}


def _given(inputs: Mapping[str, Any]) -> Values:
    """What the program gave, laid open."""
    return {name: value for name, value in reveal(inputs).items() if not name.startswith("__") and value is not None}


def _added(told: Mapping[str, Any], given: Mapping[str, Any]) -> Values:
    """What is told of a resource beside what was given, within maps, too."""
    added = {name: value for name, value in told.items() if name not in given}
    for name, value in told.items():
        if isinstance(value, Mapping) and isinstance(given.get(name), Mapping):
            added[name] = _added(value, given[name])
    return added


def _made_up(inputs: Mapping[str, Any]) -> Values:
    return {_DEFAULTS: inputs[_DEFAULTS]} if _DEFAULTS in inputs else {}


def _merged(given: Any, computed: Any) -> Any:
    """Maps are merged, and where both have a value that was given wins."""
    if isinstance(given, Mapping) and isinstance(computed, Mapping):
        return {name: _merged(given.get(name), computed.get(name)) for name in {**computed, **given}}
    return computed if given is None else given


def _grows(old: Any, new: Any) -> bool:
    """A subnet's range can be made larger in place: https://cloud.google.com/vpc/docs/create-modify-vpc-networks"""
    try:
        return IPv4Network(new).supernet_of(IPv4Network(old))
    except (ValueError, TypeError):
        return False


def _effects(token: str, place: Place, inputs: Mapping[str, Any]) -> None:
    """What making one changes elsewhere."""
    api = str(inputs.get("service", "")).partition(".")[0]
    apis, agents = place.about.apis, place.about.agents
    if token == kinds.SERVICE and api not in apis:
        apis.append(api)
    if token == kinds.SERVICE_IDENTITY and api not in apis:
        raise Refusal(
            403,
            f"the API {api}.googleapis.com is not enabled, so it has no account in {place.project}",
            "https://cloud.google.com/iam/docs/create-service-agents",
        )
    made = token == kinds.SERVICE_IDENTITY or (token == kinds.SERVICE and api in outputs.AT_ONCE)
    if made and outputs.agent(api) not in agents:
        agents.append(outputs.agent(api))
