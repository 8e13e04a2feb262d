"""Workloads for tests, whose pods do what a label says (`kubelet.py`)."""

from typing import Any

from localcloud.plugins.values import Values


def workload(plays: str, name: str = "app", *, image: str = "one", **spec: Any) -> Values:
    """A workload whose pods do what `plays` says."""
    template = {
        "metadata": {"labels": {"app": name, "plays": plays}},
        "spec": {"containers": [{"name": "main", "image": image}]},
    }
    return {
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template, **spec},
    }


def job(plays: str, **spec: Any) -> Values:
    """A Job whose pods do what `plays` says."""
    template = {
        "metadata": {"labels": {"plays": plays}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "none"}]},
    }
    return {"metadata": {"name": "job"}, "spec": {"template": template, **spec}}


def pod(plays: str) -> Values:
    """A pod that does what `plays` says."""
    return {
        "metadata": {"name": "pod", "labels": {"plays": plays}},
        "spec": {"containers": [{"name": "main", "image": "none"}]},
    }
