"""The cluster of one provider: how to reach it, or why it can't be."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

from localcloud.plugins.kubernetes.client import Client
from localcloud.plugins.kubernetes.discovery import Discovery
from localcloud.plugins.kubernetes.errors import ApiError, Unreachable
from localcloud.plugins.kubernetes.kubeconfig import connect, load
from localcloud.plugins.kubernetes.operations import Operations
from localcloud.plugins.kubernetes.quarantine import require_local
from localcloud.plugins.kubernetes.settings import Settings
from localcloud.problem import Problem


@dataclass(frozen=True)
class Cluster:
    """A cluster, reachable or not.

    namespace: where objects go that name none. unreachable: why `operations` are None.
    """

    namespace: str
    operations: Operations | None
    unreachable: str = ""


def open_cluster(settings: Settings, cancelled: threading.Event, warn: Callable[[str], None]) -> Cluster:
    """Reach the cluster that the settings name, and learn what it serves. Raises `Problem` for one that isn't local."""
    if not settings.known:
        return Cluster(settings.namespace, None, "it is made by this very program, and not there yet")
    namespace = settings.namespace
    try:
        connection = connect(load(settings.kubeconfig), settings.context, settings.cluster, settings.namespace)
        namespace = connection.namespace
        require_local(connection.server, connection.proxy)
        client = Client(connection, cancelled=cancelled, warn=warn, read_timeout=settings.request_timeout)
        discovery = Discovery(client)
        discovery.load(patience=0)
    except Problem as error:
        if not settings.render_to:
            raise
        return Cluster(namespace, None, error.what)
    except Unreachable as error:
        return Cluster(namespace, None, str(error))
    except ApiError as error:
        return Cluster(namespace, None, f"{error.message} (HTTP {error.status})")
    return Cluster(namespace, Operations(client, discovery, cancelled=cancelled))
