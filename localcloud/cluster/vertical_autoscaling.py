"""The VerticalPodAutoscaler, for those who want it: upstream's recommender, updater and admission controller, in pods.

The recommender says what containers need from what metrics-server has seen of them, the updater takes pods away that
have much else, and the admission controller gives new ones what was recommended. Each has the rights that it needs:
none may read a Secret, and the registration of the webhook is ours, so that no program may change what the API server
asks. A webhook that doesn't answer stops nobody's pods: they start as their owner wrote them.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from string import Template
from typing import Any

import httpx
import yaml

from localcloud import toolchain
from localcloud.alone import alone
from localcloud.cluster import definitions, pki
from localcloud.cluster.addons import MANIFESTS, encoded
from localcloud.cluster.api import Api, connect
from localcloud.paths import LOCKS
from localcloud.problem import Problem
from localcloud.waiting import wait

MODULE = "k8s.io/autoscaler/vertical-pod-autoscaler"
VERSION = "1.8.1"
AUTOSCALERS = "/apis/autoscaling.k8s.io/v1/verticalpodautoscalers"
_WEBHOOK = "vpa-webhook.kube-system.svc"
_TLS = "/etc/vertical-autoscaling"
_ASKED = "vpa-admission-controller"
_MOUNT = {"name": "certificate", "mountPath": _TLS, "readOnly": True}
_VOLUME = {"name": "certificate", "secret": {"secretName": "vpa-webhook-tls", "defaultMode": 0o440}}
# Program -> where it tells of its health, and how it is started. Upstream's minute between two looks is for hundreds of
# nodes; metrics are 15 s apart here (metrics.yaml).
_PROGRAMS: dict[str, tuple[int, list[str]]] = {
    "vpa-recommender": (8942, ["--recommender-interval=15s", "--memory-saver=true"]),
    "vpa-updater": (8943, ["--updater-interval=30s"]),
    _ASKED: (
        8944,
        [
            "--port=8000",
            "--register-webhook=false",
            f"--tls-cert-file={_TLS}/tls.crt",
            f"--tls-private-key={_TLS}/tls.key",
        ],
    ),
}


def up(progress: Callable[[str], None]) -> None:
    """Make it be there and answer."""
    from localcloud.images import publish_binary  # noqa: PLC0415  # it reads this package's layout when it is imported

    programs = toolchain.build(_PROGRAMS, progress)
    with alone(LOCKS / "cluster", lambda: progress("waiting for another run that changes the cluster")):
        for name, binary in programs.items():
            publish_binary(_image(name), {f"/{name}": binary}, [f"/{name}"])
        with connect() as api:
            definitions.apply(api, kinds())
            for manifest in manifests():
                api.apply(manifest)
            for name in programs:
                progress(f"waiting for {name}")
                if not wait(partial(_is_ready, api, name), 120):
                    raise Problem(
                        f"{name} isn't ready after two minutes.",
                        f"See what it says: `kubectl -n kube-system logs deployment/{name}`; then run the same command "
                        "again.",
                    )


def down(progress: Callable[[str], None]) -> None:
    """Remove it; its kinds go last, and not while a stack has any of them."""
    with (
        alone(LOCKS / "cluster", lambda: progress("waiting for another run that changes the cluster")),
        connect() as api,
    ):
        there = api.find(AUTOSCALERS)
        if there and there["items"]:
            places = sorted({each["metadata"]["namespace"] for each in there["items"]})
            raise Problem(
                f"There are VerticalPodAutoscalers in {', '.join(places)}, which would go with their kind.",
                "Set vision-week:vertical_autoscaling to false and update the stack; then run the same command again.",
            )
        # The webhook first, so that nobody's pods wait for it; the rest in the order that nothing is missed.
        for manifest in reversed([*json.loads(kinds().read_text()), *manifests()]):
            api.remove(manifest)


def kinds() -> Path:
    """What defines a VerticalPodAutoscaler."""
    return definitions.keep(toolchain.VERTICAL_POD_AUTOSCALER, MODULE, "deploy/vpa-v1-crd-gen.yaml")


def manifests() -> Iterator[dict[str, Any]]:
    """The objects, the webhook last."""
    serving = pki.issued("cluster", _WEBHOOK, names=(_WEBHOOK,))
    certificate = {
        "certificate": encoded(serving.certificate),
        "certificate_digest": hashlib.sha256(serving.certificate).hexdigest()[:16],
        "key": encoded(serving.key),
        "authority": encoded(pki.authority("cluster").certificate),
    }
    *about, webhook = _read("vertical-autoscaling.yaml", certificate)
    yield from about
    for name, (port, arguments) in _PROGRAMS.items():
        values = {
            **certificate,
            "name": name,
            "image": _image(name),
            "port": port,
            "arguments": json.dumps([*arguments, f"--address=:{port}"]),
            "mounts": json.dumps([_MOUNT] if name == _ASKED else []),
            "volumes": json.dumps([_VOLUME] if name == _ASKED else []),
        }
        yield from _read("vertical-autoscaling-program.yaml", values)
    yield webhook


def _read(file: str, values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from yaml.safe_load_all(Template((MANIFESTS / file).read_text()).substitute(values))


def _image(program: str) -> str:
    return f"registry.k8s.io/autoscaling/{program}:{VERSION}"


def _is_ready(api: Api, name: str) -> bool:
    try:
        found = api.get(f"/apis/apps/v1/namespaces/kube-system/deployments/{name}")
    except httpx.HTTPError:
        return False
    status = found.get("status", {})
    current = status.get("observedGeneration") == found["metadata"]["generation"]
    return bool(current and status.get("updatedReplicas") == status.get("readyReplicas") == 1)
