"""The control plane: etcd, API server, controller manager, scheduler and volume provisioner in one container.

The API server keeps upstream's defaults: RBAC and node authorization, the default admission plugins with Pod Security
among them. On top, Secrets are encrypted in etcd, kubelets are only believed with a certificate of the cluster's, and
there is an audit log.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

from localcloud import toolchain
from localcloud.cluster import access, audit, layout, pki
from localcloud.cluster.containers import Container
from localcloud.cluster.settings import write_folder

INSIDE = Path(__file__).parent / "inside"
SETTINGS = "/etc/vision-week"
AUDIT = "/var/log/vision-week"
PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "volume-provisioner")
PROVISIONER_USER = "vision-week:volume-provisioner"
ASIDE = "etcd-set-aside-"


def etcd_data() -> Path:
    """What etcd keeps: the one part of the control plane that can't be made again."""
    return layout.home() / "etcd"


def set_etcd_aside() -> None:
    """Put etcd's data out of its way, for the next start to begin empty; `etcd_set_aside` tells of it for good."""
    etcd_data().rename(etcd_data().with_name(f"{ASIDE}{datetime.now(UTC):%Y%m%dT%H%M%S}"))


def etcd_set_aside() -> list[Path]:
    """Data that etcd couldn't read, each time that this happened; a person looks at it and deletes it."""
    return sorted(layout.home().glob(f"{ASIDE}*"))


def container(machine: str) -> Container:
    """The control plane's container, its settings written."""
    for folder in (etcd_data(), audit.folder()):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    layout.volumes().mkdir(parents=True, exist_ok=True)
    binaries = toolchain.build(PROGRAMS)
    return Container(
        name=layout.CONTROL_PLANE,
        image=machine,
        options=(
            f"--network={layout.NETWORK}",
            f"--ip={layout.CONTROL_PLANE_ADDRESS}",
            "--hostname=control-plane",
            f"--publish=127.0.0.1:{layout.API_PORT}:6443",
            *(f"--volume={path}:/usr/local/bin/{name}:ro" for name, path in sorted(binaries.items())),
            f"--volume={etcd_data()}:/var/lib/etcd",
            f"--volume={audit.folder()}:{AUDIT}",
            f"--volume={layout.volumes()}:/var/lib/vision-week/volumes",
            "--read-only",
            "--tmpfs=/run",
            "--tmpfs=/tmp",
            "--cap-drop=ALL",
            "--cap-add=NET_ADMIN",  # routes to the pods
            "--cap-add=DAC_OVERRIDE",  # the provisioner removes what pods wrote as other users
            "--cap-add=FOWNER",
            "--security-opt=no-new-privileges",
        ),
        command=("sh", f"{SETTINGS}/control-plane.sh"),
        settings=write_folder(layout.home() / "control-plane", _files()),
    )


def _files() -> dict[str, str | bytes]:
    files: dict[str, str | bytes] = {
        name: (INSIDE / name).read_bytes() for name in ("control-plane.sh", "supervise.py")
    }
    files["routes"] = "".join(f"{node.pods} {node.address}\n" for node in layout.NODES)
    files["programs.json"] = json.dumps(
        {
            "etcd": _etcd(),
            "kube-apiserver": _api_server(),
            "kube-controller-manager": _controller_manager(),
            "kube-scheduler": _scheduler(),
            "volume-provisioner": _volume_provisioner(),
        },
        indent=1,
    )
    for name in ("cluster", "etcd", "front-proxy"):
        files[f"pki/{name}-authority.crt"] = pki.authority(name).certificate
    files["pki/cluster-authority.key"] = pki.authority("cluster").key  # the controller manager signs requests
    names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", f"kubernetes.default.svc.{layout.DOMAIN}")
    addresses = (layout.CONTROL_PLANE_ADDRESS, layout.API_SERVICE, "127.0.0.1")
    pairs = {
        "api-server": pki.issued("cluster", "kube-apiserver", names=(*names, "localhost", *addresses)),
        "kubelet-client": pki.issued("cluster", "kube-apiserver-kubelet-client", groups=("system:masters",)),
        "etcd": pki.issued("etcd", "etcd", file="etcd-server", names=("localhost", "127.0.0.1")),
        "etcd-client": pki.issued("etcd", "kube-apiserver-etcd-client"),
        "front-proxy": pki.issued("front-proxy", "front-proxy-client"),
        "service-accounts": pki.service_account_key(),
    }
    for name, pair in pairs.items():
        files[f"pki/{name}.crt"] = pair.certificate
        files[f"pki/{name}.key"] = pair.key
    files["encryption.json"] = json.dumps(_encryption())
    files["audit.json"] = json.dumps(audit.policy(), indent=1)
    files["controller-manager.kubeconfig"] = access.inside("system:kube-controller-manager")
    files["scheduler.kubeconfig"] = access.inside("system:kube-scheduler")
    files["volume-provisioner.kubeconfig"] = access.inside(PROVISIONER_USER)
    return files


def _etcd() -> list[str]:
    return [
        "etcd",
        "--name=control-plane",
        "--data-dir=/var/lib/etcd",
        "--listen-client-urls=https://127.0.0.1:2379",
        "--advertise-client-urls=https://127.0.0.1:2379",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--initial-advertise-peer-urls=http://127.0.0.1:2380",
        "--initial-cluster=control-plane=http://127.0.0.1:2380",
        f"--cert-file={SETTINGS}/pki/etcd.crt",
        f"--key-file={SETTINGS}/pki/etcd.key",
        "--client-cert-auth=true",
        f"--trusted-ca-file={SETTINGS}/pki/etcd-authority.crt",
        "--log-level=warn",
    ]


def _api_server() -> list[str]:
    return [
        "kube-apiserver",
        f"--advertise-address={layout.CONTROL_PLANE_ADDRESS}",
        "--secure-port=6443",
        "--tls-min-version=VersionTLS12",
        f"--tls-cert-file={SETTINGS}/pki/api-server.crt",
        f"--tls-private-key-file={SETTINGS}/pki/api-server.key",
        f"--client-ca-file={SETTINGS}/pki/cluster-authority.crt",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",  # which pods may be is Pod Security's to say
        "--profiling=false",
        *audit.options(SETTINGS, AUDIT),
        # etcd, and Secrets encrypted in it.
        "--etcd-servers=https://127.0.0.1:2379",
        f"--etcd-cafile={SETTINGS}/pki/etcd-authority.crt",
        f"--etcd-certfile={SETTINGS}/pki/etcd-client.crt",
        f"--etcd-keyfile={SETTINGS}/pki/etcd-client.key",
        f"--encryption-provider-config={SETTINGS}/encryption.json",
        # Kubelets: by address, since nothing here resolves node names, and with certificates of ours alone.
        "--kubelet-preferred-address-types=InternalIP",
        f"--kubelet-certificate-authority={SETTINGS}/pki/cluster-authority.crt",
        f"--kubelet-client-certificate={SETTINGS}/pki/kubelet-client.crt",
        f"--kubelet-client-key={SETTINGS}/pki/kubelet-client.key",
        f"--service-cluster-ip-range={layout.SERVICES}",
        f"--service-account-issuer=https://kubernetes.default.svc.{layout.DOMAIN}",
        f"--service-account-key-file={SETTINGS}/pki/service-accounts.crt",
        f"--service-account-signing-key-file={SETTINGS}/pki/service-accounts.key",
        # Aggregated APIs. No kube-proxy runs here, so they are reached at their pods.
        "--enable-aggregator-routing=true",
        f"--requestheader-client-ca-file={SETTINGS}/pki/front-proxy-authority.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={SETTINGS}/pki/front-proxy.crt",
        f"--proxy-client-key-file={SETTINGS}/pki/front-proxy.key",
    ]


def _controller_manager() -> list[str]:
    kubeconfig = f"{SETTINGS}/controller-manager.kubeconfig"
    return [
        "kube-controller-manager",
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",  # there is one; a lease would cost 15 s at every restart
        "--profiling=false",
        "--use-service-account-credentials=true",
        # Garbage collection of a stack asks for more than the default of 20 requests a second: 150 objects were gone
        # after 10.6 s, with these after 7 s.
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        "--allocate-node-cidrs=false",  # each node's range is fixed
        f"--cluster-cidr={layout.PODS}",
        f"--service-cluster-ip-range={layout.SERVICES}",
        f"--root-ca-file={SETTINGS}/pki/cluster-authority.crt",
        f"--service-account-private-key-file={SETTINGS}/pki/service-accounts.key",
        f"--cluster-signing-cert-file={SETTINGS}/pki/cluster-authority.crt",
        f"--cluster-signing-key-file={SETTINGS}/pki/cluster-authority.key",
    ]


def _scheduler() -> list[str]:
    kubeconfig = f"{SETTINGS}/scheduler.kubeconfig"
    return [
        "kube-scheduler",
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        "--profiling=false",
    ]


def _volume_provisioner() -> list[str]:
    return [
        "volume-provisioner",
        f"--kubeconfig={SETTINGS}/volume-provisioner.kubeconfig",
        "--root=/var/lib/vision-week/volumes",
    ]


def _encryption() -> dict[str, object]:
    key = {"name": "first", "secret": pki.encryption_key()}
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [{"resources": ["secrets"], "providers": [{"aescbc": {"keys": [key]}}, {"identity": {}}]}],
    }
