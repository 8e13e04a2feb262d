"""What every workload shares: labels, the hardened pod, probes, and the parts of a network policy.

Building blocks, not a framework: each returns plain typed arguments, and a component puts its own together. A pod that
needs less hardening than this is not built here, and not admitted to the namespaces either.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pulumi import Input, Output, Resource, ResourceOptions
from pulumi_kubernetes import core, meta, networking, rbac

from components.values import Resources

# uid, gid and fsGroup of everything (S7.2).
USER = 1000
CHECKSUM = "vision-week/configuration"
# Label and taint of nodes that are kept for some pods.
POOL = "vision-week/pool"
DOMAIN = "cluster.local"


@dataclass(frozen=True, kw_only=True)
class Namespace:
    """A namespace that workloads are put into.

    name: its name.
    guards: what must stand before a pod runs in it: its quota and its policies, so that it fails closed.
    pool: the nodes that are kept for its pods; None where any will do.
    """

    name: Output[str]
    guards: Sequence[Resource]
    pool: str | None = None


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Where a service is reached from within the cluster."""

    host: Output[str]
    port: int


def labels(name: str) -> dict[str, str]:
    """The standard labels of everything that belongs to `name`."""
    return {**selector(name), "app.kubernetes.io/managed-by": "pulumi"}


def selector(name: str) -> dict[str, str]:
    """The labels that pods of `name` are found by; they never change."""
    return {"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "vision-week"}


def metadata(
    name: Input[str], namespace: Input[str] | None = None, *, app: str, annotations: Mapping[str, str] | None = None
) -> meta.v1.ObjectMetaArgs:
    """Metadata of an object called `name` that belongs to `app`."""
    return meta.v1.ObjectMetaArgs(name=name, namespace=namespace, labels=labels(app), annotations=annotations)


def host_of(service: core.v1.Service) -> Output[str]:
    """The full name of a Service, which resolvers ask for as it is (see `ndots` in `pod`)."""
    return Output.format("{0}.{1}.svc." + DOMAIN, service.metadata.name, service.metadata.namespace)


def checksum(*parts: Input[Any]) -> Output[str]:
    """A digest of configuration and secrets for the pod template: when they change, the pods are rolled.

    It is no secret itself, although made of some: what goes in has the entropy of a password of 32 characters.
    """

    def digest(values: Sequence[Any]) -> str:
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    return Output.unsecret(Output.all(*parts).apply(digest))


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A place in a container's file system.

    volume: name of the pod's volume. file: only this one of it, in the place of one that the image has.
    """

    volume: str
    path: str
    read_only: bool = False
    file: str | None = None


@dataclass(frozen=True, kw_only=True)
class Container:
    """One container of a hardened pod.

    env: plain values, or a fact about the pod (`pod_field`); secrets are files.
    env_from: names of ConfigMaps whose keys become variables.
    ports: name -> number.
    """

    name: str
    image: Input[str]
    resources: Resources
    command: Sequence[Input[str]] | None = None
    env: Mapping[str, Input[str] | core.v1.EnvVarSourceArgs] = field(default_factory=dict)
    env_from: Sequence[Input[str]] = ()
    ports: Mapping[str, int] = field(default_factory=dict)
    mounts: Sequence[Mount] = ()
    startup: core.v1.ProbeArgs | None = None
    readiness: core.v1.ProbeArgs | None = None
    liveness: core.v1.ProbeArgs | None = None
    pre_stop: Sequence[str] | None = None

    def args(self, restart: str | None = None) -> core.v1.ContainerArgs:
        """The container as Kubernetes takes it. restart: another policy than the pod's."""
        requests = {"cpu": self.resources.cpu, "memory": self.resources.memory}
        limits = {"cpu": self.resources.cpu_limit, "memory": self.resources.memory}
        return core.v1.ContainerArgs(
            name=self.name,
            image=self.image,
            command=self.command,
            env=[_variable(name, value) for name, value in self.env.items()] or None,
            env_from=[_variables_of(name) for name in self.env_from] or None,
            ports=[_port(name, number) for name, number in self.ports.items()] or None,
            volume_mounts=[_mount(mount) for mount in self.mounts] or None,
            resources=core.v1.ResourceRequirementsArgs(requests=requests, limits=limits),
            startup_probe=self.startup,
            readiness_probe=self.readiness,
            liveness_probe=self.liveness,
            lifecycle=_before_stop(self.pre_stop) if self.pre_stop else None,
            restart_policy=restart,
            security_context=core.v1.SecurityContextArgs(
                allow_privilege_escalation=False,
                read_only_root_filesystem=True,
                capabilities=core.v1.CapabilitiesArgs(drop=["ALL"]),
            ),
        )


def pod(
    name: str,
    containers: Sequence[Container],
    *,
    volumes: Sequence[core.v1.VolumeArgs] = (),
    service_account: Input[str],
    configuration: Input[str],
    grace: int,
    before: Sequence[Container] = (),
    beside: Sequence[Container] = (),
    annotations: Mapping[str, str] | None = None,
    token: bool = False,
    restart: str | None = None,
    pool: str | None = None,
    groups: Sequence[int] = (),
    every_node: bool = False,
) -> core.v1.PodTemplateSpecArgs:
    """The hardened pod that all workloads run (S7.2, Pod Security `restricted`).

    configuration: checksum of what it reads. grace: seconds to end in. before: run to their end before the others
    start. beside: start before the others, too, and end after them (Kubernetes' sidecars). annotations: for whoever
    adds something to it. token: it talks to the Kubernetes API. pool: the nodes that are kept for it. groups: that it
    is in besides its own. every_node: also on nodes that are kept for others.
    Its pods avoid each other's nodes (weight 100: S5.1) and are spread over zones, as far as there are any.
    """
    same = meta.v1.LabelSelectorArgs(match_labels=selector(name))
    return core.v1.PodTemplateSpecArgs(
        metadata=meta.v1.ObjectMetaArgs(
            labels=labels(name), annotations={CHECKSUM: configuration, **(annotations or {})}
        ),
        spec=core.v1.PodSpecArgs(
            service_account_name=service_account,
            automount_service_account_token=token,
            # Variables for each Service of the namespace would change with the order that things are made in.
            enable_service_links=False,
            security_context=core.v1.PodSecurityContextArgs(
                run_as_non_root=True,
                run_as_user=USER,
                run_as_group=USER,
                fs_group=USER,
                supplemental_groups=list(groups) or None,
                # A large volume is not walked through at every start.
                fs_group_change_policy="OnRootMismatch",
                seccomp_profile=core.v1.SeccompProfileArgs(type="RuntimeDefault"),
            ),
            # Full names have four dots: asked for as they are, instead of five times with a suffix first.
            dns_config=core.v1.PodDNSConfigArgs(options=[core.v1.PodDNSConfigOptionArgs(name="ndots", value="2")]),
            affinity=core.v1.AffinityArgs(
                pod_anti_affinity=core.v1.PodAntiAffinityArgs(
                    preferred_during_scheduling_ignored_during_execution=[
                        core.v1.WeightedPodAffinityTermArgs(
                            weight=100,
                            pod_affinity_term=core.v1.PodAffinityTermArgs(
                                topology_key="kubernetes.io/hostname", label_selector=same
                            ),
                        )
                    ]
                )
            ),
            topology_spread_constraints=[
                core.v1.TopologySpreadConstraintArgs(
                    max_skew=1,
                    topology_key="topology.kubernetes.io/zone",
                    when_unsatisfiable="ScheduleAnyway",
                    label_selector=same,
                )
            ],
            init_containers=[*(each.args() for each in before), *(each.args("Always") for each in beside)] or None,
            containers=[container.args() for container in containers],
            volumes=list(volumes) or None,
            restart_policy=restart,
            node_selector={POOL: pool} if pool else None,
            tolerations=_tolerations(pool, every_node=every_node),
            termination_grace_period_seconds=grace,
        ),
    )


def _tolerations(pool: str | None, *, every_node: bool) -> list[core.v1.TolerationArgs] | None:
    if every_node:
        return [core.v1.TolerationArgs(operator="Exists")]
    return [core.v1.TolerationArgs(key=POOL, operator="Equal", value=pool, effect="NoSchedule")] if pool else None


def pod_field(path: str) -> core.v1.EnvVarSourceArgs:
    """A variable's value from the pod itself, e.g. `status.podIP`."""
    return core.v1.EnvVarSourceArgs(field_ref=core.v1.ObjectFieldSelectorArgs(field_path=path))


def scratch(name: str, size: str) -> core.v1.VolumeArgs:
    """An empty directory that goes with the pod."""
    return core.v1.VolumeArgs(name=name, empty_dir=core.v1.EmptyDirVolumeSourceArgs(size_limit=size))


def in_memory(name: str, size: str) -> core.v1.VolumeArgs:
    """The same in memory: what is in it counts towards the limit of the container that wrote it."""
    source = core.v1.EmptyDirVolumeSourceArgs(medium="Memory", size_limit=size)
    return core.v1.VolumeArgs(name=name, empty_dir=source)


def config_files(
    name: str, config_map: Input[str], mode: int = 0o444, *, late: bool | None = None
) -> core.v1.VolumeArgs:
    """The keys of a ConfigMap as files. late: it may come when the pod runs."""
    source = core.v1.ConfigMapVolumeSourceArgs(name=config_map, default_mode=mode, optional=late)
    return core.v1.VolumeArgs(name=name, config_map=source)


def secret_files(name: str, secret: Input[str]) -> core.v1.VolumeArgs:
    """The keys of a Secret as files that only the pod's own group reads."""
    return core.v1.VolumeArgs(name=name, secret=core.v1.SecretVolumeSourceArgs(secret_name=secret, default_mode=0o440))


def projected(
    name: str,
    *,
    config_map: tuple[Input[str], Mapping[str, str]],
    secret: tuple[Input[str], Mapping[str, str]],
    late_config_map: tuple[Input[str], Mapping[str, str]] | None = None,
) -> core.v1.VolumeArgs:
    """Keys of a ConfigMap and of a Secret as files of one directory: (name, key -> path).

    late_config_map: one whose files appear in the running pod when it comes.
    """

    def items(paths: Mapping[str, str]) -> list[core.v1.KeyToPathArgs]:
        return [core.v1.KeyToPathArgs(key=key, path=path) for key, path in paths.items()]

    sources = [
        core.v1.VolumeProjectionArgs(
            config_map=core.v1.ConfigMapProjectionArgs(name=config_map[0], items=items(config_map[1]))
        ),
        core.v1.VolumeProjectionArgs(secret=core.v1.SecretProjectionArgs(name=secret[0], items=items(secret[1]))),
    ]
    if late_config_map:
        late = core.v1.ConfigMapProjectionArgs(name=late_config_map[0], items=items(late_config_map[1]), optional=True)
        sources.append(core.v1.VolumeProjectionArgs(config_map=late))
    return core.v1.VolumeArgs(
        name=name, projected=core.v1.ProjectedVolumeSourceArgs(default_mode=0o440, sources=sources)
    )


def claimed(name: str, claim: Input[str]) -> core.v1.VolumeArgs:
    """The volume of a claim."""
    source = core.v1.PersistentVolumeClaimVolumeSourceArgs(claim_name=claim)
    return core.v1.VolumeArgs(name=name, persistent_volume_claim=source)


def of_its_own(name: str, storage_class: Input[str], size: str) -> core.v1.VolumeArgs:
    """A volume that comes and goes with the pod. size: `10Gi`."""
    claim = core.v1.PersistentVolumeClaimSpecArgs(
        access_modes=["ReadWriteOnce"],
        storage_class_name=storage_class,
        resources=core.v1.VolumeResourceRequirementsArgs(requests={"storage": size}),
    )
    template = core.v1.PersistentVolumeClaimTemplateArgs(spec=claim)
    return core.v1.VolumeArgs(name=name, ephemeral=core.v1.EphemeralVolumeSourceArgs(volume_claim_template=template))


def data_claim(app: str, storage_class: Input[str], size: str) -> core.v1.PersistentVolumeClaimArgs:
    """A volume `data` of each member's own, kept when the member is made anew. size: `10Gi`."""
    return core.v1.PersistentVolumeClaimArgs(
        metadata=meta.v1.ObjectMetaArgs(name="data", labels=labels(app)),
        spec=core.v1.PersistentVolumeClaimSpecArgs(
            access_modes=["ReadWriteOnce"],
            storage_class_name=storage_class,
            resources=core.v1.VolumeResourceRequirementsArgs(requests={"storage": size}),
        ),
    )


def http_probe(
    path: str, port: str | int, *, period: int, failures: int, timeout: int = 5, scheme: str | None = None
) -> core.v1.ProbeArgs:
    """Asks a container over HTTP; it fails after `failures` times `period` seconds."""
    return core.v1.ProbeArgs(
        http_get=core.v1.HTTPGetActionArgs(path=path, port=port, scheme=scheme),
        period_seconds=period,
        failure_threshold=failures,
        timeout_seconds=timeout,
    )


def tcp_probe(port: str, *, period: int, failures: int, timeout: int = 5) -> core.v1.ProbeArgs:
    """Asks a container for a connection."""
    return core.v1.ProbeArgs(
        tcp_socket=core.v1.TCPSocketActionArgs(port=port),
        period_seconds=period,
        failure_threshold=failures,
        timeout_seconds=timeout,
    )


def exec_probe(command: Sequence[str], *, period: int, failures: int, timeout: int = 5) -> core.v1.ProbeArgs:
    """Asks by running a command in the container."""
    return core.v1.ProbeArgs(
        exec_=core.v1.ExecActionArgs(command=list(command)),
        period_seconds=period,
        failure_threshold=failures,
        timeout_seconds=timeout,
    )


def pods_of(namespace: Input[str], name: str) -> networking.v1.NetworkPolicyPeerArgs:
    """The pods called `name` of a namespace, as the other side of a connection."""
    return networking.v1.NetworkPolicyPeerArgs(
        namespace_selector=meta.v1.LabelSelectorArgs(match_labels={"kubernetes.io/metadata.name": namespace}),
        pod_selector=meta.v1.LabelSelectorArgs(match_labels=selector(name)),
    )


def pods_in(namespace: Input[str]) -> networking.v1.NetworkPolicyPeerArgs:
    """Every pod of a namespace that is somebody else's."""
    return networking.v1.NetworkPolicyPeerArgs(
        namespace_selector=meta.v1.LabelSelectorArgs(match_labels={"kubernetes.io/metadata.name": namespace})
    )


def addresses(network: Input[str]) -> networking.v1.NetworkPolicyPeerArgs:
    """What is outside of the cluster, by its addresses."""
    return networking.v1.NetworkPolicyPeerArgs(ip_block=networking.v1.IPBlockArgs(cidr=network))


def tcp(*ports: int) -> list[networking.v1.NetworkPolicyPortArgs]:
    """Ports of a policy's rule, as the pod itself listens on them."""
    return [networking.v1.NetworkPolicyPortArgs(protocol="TCP", port=port) for port in ports]


def allow(
    name: str,
    *,
    ingress: Sequence[networking.v1.NetworkPolicyIngressRuleArgs] = (),
    egress: Sequence[networking.v1.NetworkPolicyEgressRuleArgs] = (),
) -> networking.v1.NetworkPolicySpecArgs:
    """What pods called `name` may do beyond the namespace's default, which is nothing but DNS."""
    return networking.v1.NetworkPolicySpecArgs(
        pod_selector=meta.v1.LabelSelectorArgs(match_labels=selector(name)),
        policy_types=["Ingress", "Egress"],
        ingress=list(ingress) or None,
        egress=list(egress) or None,
    )


def from_(
    peers: Sequence[networking.v1.NetworkPolicyPeerArgs], *ports: int
) -> networking.v1.NetworkPolicyIngressRuleArgs:
    """Connections of these peers to these ports of ours; without peers, everybody's."""
    return networking.v1.NetworkPolicyIngressRuleArgs(from_=list(peers) or None, ports=tcp(*ports))


def to(peers: Sequence[networking.v1.NetworkPolicyPeerArgs], *ports: int) -> networking.v1.NetworkPolicyEgressRuleArgs:
    """Our connections to these ports of these peers."""
    return networking.v1.NetworkPolicyEgressRuleArgs(to=list(peers), ports=tcp(*ports))


def to_api_server(control_plane: Sequence[str]) -> networking.v1.NetworkPolicyEgressRuleArgs:
    """Our connections to the API server at these addresses.

    443 and 6443: the Service's port and the one behind it; which of them a policy sees differs.
    """
    return to([addresses(network) for network in control_plane], 443, 6443)


def bound(
    name: str, about: meta.v1.ObjectMetaArgs, role: rbac.v1.Role, account: core.v1.ServiceAccount, opts: ResourceOptions
) -> rbac.v1.RoleBinding:
    """The rights of a role, given to a service account. about: where the role is."""
    return rbac.v1.RoleBinding(
        name, metadata=about, role_ref=_role(role.metadata.name, "Role"), subjects=[_subject(account)], opts=opts
    )


def bound_everywhere(
    name: str,
    about: meta.v1.ObjectMetaArgs,
    role: rbac.v1.ClusterRole,
    account: core.v1.ServiceAccount,
    opts: ResourceOptions,
) -> rbac.v1.ClusterRoleBinding:
    """The same of a role in the cluster as a whole."""
    return rbac.v1.ClusterRoleBinding(
        name, metadata=about, role_ref=_role(role.metadata.name, "ClusterRole"), subjects=[_subject(account)], opts=opts
    )


def _role(name: Input[str], kind: str) -> rbac.v1.RoleRefArgs:
    return rbac.v1.RoleRefArgs(api_group="rbac.authorization.k8s.io", kind=kind, name=name)


def _subject(account: core.v1.ServiceAccount) -> rbac.v1.SubjectArgs:
    return rbac.v1.SubjectArgs(kind="ServiceAccount", name=account.metadata.name, namespace=account.metadata.namespace)


def _variable(name: str, value: Input[str] | core.v1.EnvVarSourceArgs) -> core.v1.EnvVarArgs:
    if isinstance(value, core.v1.EnvVarSourceArgs):
        return core.v1.EnvVarArgs(name=name, value_from=value)
    return core.v1.EnvVarArgs(name=name, value=value)


def _variables_of(config_map: Input[str]) -> core.v1.EnvFromSourceArgs:
    return core.v1.EnvFromSourceArgs(config_map_ref=core.v1.ConfigMapEnvSourceArgs(name=config_map))


def _port(name: str, number: int) -> core.v1.ContainerPortArgs:
    return core.v1.ContainerPortArgs(name=name, container_port=number)


def _mount(mount: Mount) -> core.v1.VolumeMountArgs:
    return core.v1.VolumeMountArgs(
        name=mount.volume, mount_path=mount.path, sub_path=mount.file, read_only=mount.read_only or None
    )


def _before_stop(command: Sequence[str]) -> core.v1.LifecycleArgs:
    return core.v1.LifecycleArgs(
        pre_stop=core.v1.LifecycleHandlerArgs(exec_=core.v1.ExecActionArgs(command=list(command)))
    )
