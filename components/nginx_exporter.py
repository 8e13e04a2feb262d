"""nginx's own exporter: beside every nginx of ours it tells Prometheus what that one counts.

It asks nginx for `/nginx-status` over the pod's loopback. What nginx counts has no statuses: those are in its log, and
in the application's own numbers. It begins before nginx and ends after it: a pod that is going, and finishes what it
has, is none that doesn't answer.
"""

from pulumi import Input

from components import kubernetes
from components.kubernetes import Container
from components.values import Resources

NAME = "exporter"
# Its own default.
PORT = 9113
# What is kept: not what it tells of itself.
COUNTED = "nginx_(up|connections_.*|http_requests_total)"
# Where every nginx of ours has it: the port that only the pod itself, the kubelet and Prometheus reach.
_STATUS = "http://127.0.0.1:8081/nginx-status"


def container(image: Input[str], resources: Resources) -> Container:
    """One for a pod with one nginx."""
    return Container(
        name=NAME,
        image=image,
        command=["/usr/bin/nginx-prometheus-exporter", f"--nginx.scrape-uri={_STATUS}"],
        # Versions before 1.0 want an answer before they listen, and these seconds are longer than nginx ever takes.
        env={"NGINX_RETRIES": "60", "NGINX_RETRY_INTERVAL": "1s"},
        resources=resources,
        ports={NAME: PORT},
        # Its own page, which asks nothing of nginx.
        liveness=kubernetes.http_probe("/", NAME, period=30, failures=3),
    )
