"""The nodes: containers that each run containerd, kubelet, kube-proxy and the policies' enforcer, one in each zone."""

import json
from pathlib import Path

from localcloud import toolchain
from localcloud.cluster import access, layout, network, pki, policies
from localcloud.cluster.containers import Container
from localcloud.cluster.layout import Node
from localcloud.cluster.settings import write_folder
from localcloud.files import write_private

INSIDE = Path(__file__).parent / "inside"
SETTINGS = "/etc/vision-week"
CNI = "/usr/lib/cni"
PROGRAMS = ("kubelet", "kube-proxy", policies.PROGRAM)
RUNNING = (*PROGRAMS, "containerd")

# `--privileged` without the one capability that some machines lack; a node mounts, sets sysctls and makes devices.
PRIVILEGES = (
    "--cap-add=ALL",
    "--cap-drop=SYS_RESOURCE",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
    "--security-opt=systempaths=unconfined",
    "--device-cgroup-rule=a *:* rwm",
    "--cgroupns=host",
    "--volume=/sys/fs/cgroup:/sys/fs/cgroup:rw",
)


def disk(node: Node) -> Path:
    """What the node keeps over restarts: its images and its pods' volumes. Lost, it is pulled again."""
    return layout.home() / "disks" / node.name


def write_resolver() -> None:
    """Write the name servers that CoreDNS asks for names outside the cluster.

    Not among the settings: a laptop that moves to another network would lose all its nodes' pods.
    """
    servers = network.upstream_resolvers()
    write_private(_resolver() / "resolv.conf", "".join(f"nameserver {server}\n" for server in servers))


def container(node: Node, machine: str) -> Container:
    """The node's container, its settings written."""
    for folder in ("containerd", "kubelet"):
        (disk(node) / folder).mkdir(parents=True, exist_ok=True, mode=0o700)
    layout.volumes().mkdir(parents=True, exist_ok=True)
    binaries = toolchain.build(PROGRAMS)
    return Container(
        name=node.container,
        image=machine,
        options=(
            f"--network={layout.NETWORK}",
            f"--ip={node.address}",
            f"--hostname={node.name}",
            *(f"--publish=127.0.0.1:{outside}:{inside}" for outside, inside in node.published),
            *PRIVILEGES,
            f"--env=PODS={layout.PODS}",
            *(f"--volume={path}:/usr/local/bin/{name}:ro" for name, path in sorted(binaries.items())),
            f"--volume={binaries[policies.PROGRAM]}:{CNI}/{policies.PLUGIN}:ro",
            f"--volume={disk(node) / 'containerd'}:/var/lib/containerd",
            f"--volume={disk(node) / 'kubelet'}:/var/lib/kubelet",
            f"--volume={layout.volumes()}:/var/lib/vision-week/volumes",
            f"--volume={_resolver()}:/etc/vision-week-resolver:ro",
            "--tmpfs=/run:exec",
            "--tmpfs=/tmp:exec",
        ),
        command=("sh", f"{SETTINGS}/node.sh"),
        settings=write_folder(layout.home() / "nodes" / node.name, _files(node)),
    )


def _resolver() -> Path:
    return layout.home() / "resolver"


def _files(node: Node) -> dict[str, str | bytes]:
    serving = pki.issued("cluster", node.name, names=(node.name, node.address), file=f"kubelet-{node.name}")
    others = [other for other in layout.NODES if other != node]
    files: dict[str, str | bytes] = {name: (INSIDE / name).read_bytes() for name in ("node.sh", "supervise.py")}
    files |= {
        "routes": "".join(f"{other.pods} {other.address}\n" for other in others),
        "programs.json": json.dumps(_programs(node), indent=1),
        "containerd.toml": _CONTAINERD,
        "cni/10-pods.conflist": json.dumps(_pod_network(node)),
        "kubelet.json": json.dumps(_kubelet(), indent=1),
        "kubelet.kubeconfig": access.inside(f"system:node:{node.name}", "system:nodes"),
        "kube-proxy.json": json.dumps(_kube_proxy(node), indent=1),
        "kube-proxy.kubeconfig": access.inside("system:kube-proxy"),
        "pki/authority.crt": pki.authority("cluster").certificate,
        "pki/kubelet.crt": serving.certificate,
        "pki/kubelet.key": serving.key,
        **policies.files(),
        f"certs.d/localhost:{layout.REGISTRY_PORT}/hosts.toml": _mirror(layout.REGISTRY_INSIDE, whole=True),
    }
    for host in (*layout.MIRRORED, *layout.ARTIFACT_REGISTRIES):
        files[f"certs.d/{host}/hosts.toml"] = _mirror(f"{layout.REGISTRY_INSIDE}/v2/mirror/{host}", whole=False)
    return files


def _programs(node: Node) -> dict[str, list[str]]:
    labels = f"topology.kubernetes.io/region={layout.REGION},topology.kubernetes.io/zone={node.zone}"
    kubelet = (
        # It ends if it can't reach containerd at once.
        "until [ -S /run/containerd/containerd.sock ]; do sleep 0.1; done;"
        f" exec kubelet --config={SETTINGS}/kubelet.json --kubeconfig={SETTINGS}/kubelet.kubeconfig"
        f" --hostname-override={node.name} --node-ip={node.address} --node-labels={labels}"
        ' --cgroup-root="$CGROUP"'
    )
    return {
        "containerd": ["containerd", f"--config={SETTINGS}/containerd.toml", "--log-level=warn"],
        "kubelet": ["sh", "-c", kubelet],
        "kube-proxy": ["kube-proxy", f"--config={SETTINGS}/kube-proxy.json"],
        policies.PROGRAM: policies.command(node, SETTINGS),
    }


def _kubelet() -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{SETTINGS}/pki/authority.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": f"{SETTINGS}/pki/kubelet.crt",
        "tlsPrivateKeyFile": f"{SETTINGS}/pki/kubelet.key",
        "tlsMinVersion": "VersionTLS12",
        "clusterDNS": [layout.DNS_SERVICE],
        "clusterDomain": layout.DOMAIN,
        "resolvConf": "/etc/vision-week-resolver/resolv.conf",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "seccompDefault": True,
        "serializeImagePulls": False,
        # Of a large disk that is shared with others, upstream's shares would evict pods with plenty of space left, and
        # collect the pause image. Fixed amounts say what is really too little.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1Gi", "imagefs.available": "1Gi"},
        "imageGCHighThresholdPercent": 100,
    }


def _kube_proxy(node: Node) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": f"{SETTINGS}/kube-proxy.kubeconfig"},
        "hostnameOverride": node.name,
        "mode": "iptables",
        "clusterCIDR": layout.PODS,
        "iptables": {"localhostNodePorts": False},
        # The table of connections belongs to the machine; its size isn't a container's to set.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
    }


def _pod_network(node: Node) -> dict[str, object]:
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": node.pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        # Gone with a restart, like the pods that had the addresses.
        "dataDir": "/run/cni",
    }
    return {
        "cniVersion": "0.4.0",
        "name": "pods",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": True,
                "ipMasq": False,
                "hairpinMode": True,
                "ipam": addresses,
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
            policies.plugin(),
        ],
    }


def _mirror(address: str, *, whole: bool) -> str:
    """Where containerd gets a registry's images: here and nowhere else.

    whole: the address is a registry's root; otherwise it is a path in which the registry's names begin.
    """
    override = "" if whole else "  override_path = true\n"
    return f'server = "{address}"\n\n[host."{address}"]\n  capabilities = ["pull", "resolve"]\n{override}'


_CONTAINERD = f"""\
version = 2
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
  "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.internal.v1.tracing",
]

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{layout.PAUSE_IMAGE}"
  restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "{CNI}"
  conf_dir = "{SETTINGS}/cni"

[plugins."io.containerd.grpc.v1.cri".registry]
  config_path = "{SETTINGS}/certs.d"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
"""
