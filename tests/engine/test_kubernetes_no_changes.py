"""One of each kind under the real engine, with what an API server leaves out, adds or spells otherwise: no changes."""

from collections.abc import Iterator

import pytest

from localcloud.rehearsal.control_plane import ControlPlane
from tests.engine.project import Project, make_project

pytestmark = pytest.mark.engine

EVERYTHING = """
    import pulumi
    import pulumi_kubernetes as k8s

    config = pulumi.Config()
    options = pulumi.ResourceOptions(
        provider=k8s.Provider("cluster", kubeconfig=config.require("kubeconfig"), namespace=config.require("namespace"))
    )
    no_wait = {"pulumi.com/skipAwait": "true"}
    labels = {"app": "app", "plays": "ready"}
    pod = {
        "automount_service_account_token": False,
        "containers": [
            {
                "name": "main",
                "image": "none",
                "tty": False,
                "env": [{"name": "EMPTY", "value": ""}],
                "ports": [{"container_port": 8080}],
                "resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}, "limits": {"cpu": "1000m"}},
                "security_context": {"privileged": False, "run_as_user": 0, "capabilities": {"add": []}},
                "liveness_probe": {"http_get": {"path": "/", "port": 8080}, "initial_delay_seconds": 0},
                "volume_mounts": [{"name": "tmp", "mount_path": "/tmp", "read_only": False}],
            }
        ],
        "host_network": False,
        "volumes": [{"name": "tmp", "empty_dir": {}}],
    }
    template = {"metadata": {"labels": labels}, "spec": pod}
    selector = {"match_labels": {"app": "app"}}
    k8s.core.v1.ConfigMap("config-map", data={"a": "1", "empty": ""}, opts=options)
    k8s.core.v1.ConfigMap("empty", data={}, opts=options)
    k8s.core.v1.Secret("secret", string_data={"a": "1"}, data={"b": "Mg=="}, opts=options)
    k8s.core.v1.ServiceAccount("account", automount_service_account_token=False, opts=options)
    k8s.core.v1.Service("service", spec={"selector": {}, "ports": [{"port": 80, "target_port": "web"}]}, opts=options)
    k8s.core.v1.ResourceQuota("quota", spec={"hard": {"requests.cpu": "10", "pods": "0100"}}, opts=options)
    k8s.core.v1.LimitRange("limits", spec={"limits": [{"type": "Container", "default": {"cpu": "0.5"}}]}, opts=options)
    k8s.apps.v1.Deployment(
        "deployment", spec={"selector": selector, "template": template, "paused": False}, opts=options
    )
    k8s.apps.v1.StatefulSet(
        "stateful-set",
        spec={
            "service_name": "app",
            "replicas": 0,
            "selector": selector,
            "template": template,
            "volume_claim_templates": [
                {
                    "metadata": {"name": "data"},
                    "spec": {"access_modes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1024Mi"}}},
                }
            ],
        },
        opts=options,
    )
    k8s.apps.v1.DaemonSet("daemon-set", spec={"selector": selector, "template": template}, opts=options)
    k8s.batch.v1.CronJob(
        "cron-job",
        spec={
            "schedule": "0 2 * * *",
            "suspend": False,
            "job_template": {"spec": {"template": {"spec": {**pod, "restart_policy": "Never"}}}},
        },
        opts=options,
    )
    k8s.networking.v1.NetworkPolicy(
        "policy", spec={"pod_selector": {}, "policy_types": ["Ingress"], "ingress": []}, opts=options
    )
    k8s.networking.v1.Ingress(
        "ingress",
        metadata={"annotations": no_wait},
        spec={"default_backend": {"service": {"name": "app", "port": {"number": 80}}}},
        opts=options,
    )
    k8s.policy.v1.PodDisruptionBudget("budget", spec={"min_available": "50%", "selector": selector}, opts=options)
    k8s.autoscaling.v2.HorizontalPodAutoscaler(
        "autoscaler",
        spec={
            "scale_target_ref": {"api_version": "apps/v1", "kind": "Deployment", "name": "app"},
            "min_replicas": 3,
            "max_replicas": 20,
            "metrics": [
                {
                    "type": "Resource",
                    "resource": {"name": "cpu", "target": {"type": "Utilization", "average_utilization": 70}},
                }
            ],
        },
        opts=options,
    )
    k8s.rbac.v1.Role("role", rules=[{"api_groups": [""], "resources": ["pods"], "verbs": ["get"]}], opts=options)
    k8s.storage.v1.StorageClass(
        "class", provisioner="example.com/none", volume_binding_mode="WaitForFirstConsumer", opts=options
    )
    k8s.scheduling.v1.PriorityClass("priority", value=0, global_default=False, opts=options)
    group = config.require("namespace") + ".example.com"
    things = k8s.apiextensions.v1.CustomResourceDefinition(
        "things",
        metadata={"name": "things." + group},
        spec={
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {
                        "open_apiv3_schema": {"type": "object", "x_kubernetes_preserve_unknown_fields": True},
                    },
                }
            ],
        },
        opts=options,
    )
    k8s.apiextensions.CustomResource(
        "thing",
        api_version=group + "/v1",
        kind="Thing",
        spec={"zero": 0, "no": False, "list": [], "nested": {"empty": {}}},
        opts=options,
    )
"""


@pytest.fixture(scope="module")
def everything(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """One of each, made once; the tests that share it change nothing."""
    project = make_project(tmp_path_factory.mktemp("everything"))
    project.write(EVERYTHING, {"kubeconfig": str(plane.kubeconfig), "namespace": "default"})
    project.up()
    yield project
    project.destroy()


def test_a_second_preview_shows_no_changes(everything: Project) -> None:
    assert "unchanged" in everything.preview("--expect-no-changes", "--diff").said


def test_a_refresh_finds_no_drift_where_there_is_none(everything: Project) -> None:
    everything.refresh("--expect-no-changes")
    everything.preview("--expect-no-changes")
