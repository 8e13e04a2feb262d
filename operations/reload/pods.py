"""The application's pods: which there are, what files they have, and how files get in.

Pods are watched, not asked for: between a saved file and the pod there is nothing but the sending.
"""

import io
import subprocess
import tarfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from components.hot_reload import CONTAINER, TREE, VOLUME
from components.kubernetes import USER, selector
from operations.problem import Problem
from operations.reload.checkout import Difference, File

_PATIENCE: Final = 60  # seconds for one sending
_LONGEST: Final = 300  # seconds of one watch; then pods are listed anew
_PAUSE: Final = 2  # seconds until an API server that did not answer is asked again
# vendor is composer's, storage the users'.
_LIST: Final = "find . -path ./vendor -prune -o -path ./storage -prune -o -type f -exec sha256sum {} +"
# PHP doesn't keep a file that is younger than two seconds (opcache.file_update_protection): so each is as old as its
# arrival (-m), and half a file is never kept.
_TAKE: Final = 'tar -xmf - && if [ "$#" -gt 0 ]; then rm -f -- "$@"; fi'
_TOO_MANY: Final = 500  # names on one command line


class ReloadError(Problem):
    """Files can't be sent."""


@dataclass(frozen=True)
class Pod:
    """A pod of the application.

    identity: another one for each container that takes files. takes: there is a directory for them. runs: it can.
    """

    name: str
    identity: str
    takes: bool
    runs: bool


@dataclass(frozen=True)
class Cluster:
    """Where the pods are."""

    context: str
    kubeconfig: str | None
    namespace: str

    def pods(self) -> tuple[dict[str, Pod], str]:
        """By name, with the version from which to watch."""
        try:
            found: Any = self._api().list_namespaced_pod(**self._which(), _request_timeout=10)
        except (ApiException, HTTPError, ConfigException) as error:
            raise ReloadError(
                f"The cluster can't be asked (context {self.context}): {_words(error)}",
                "see that it runs (`make status`) and that KUBECONFIG names it; for the local one: `make up`",
            ) from None
        return {one.metadata.name: _pod(one) for one in found.items}, found.metadata.resource_version

    def watch(self, tell: Callable[[Mapping[str, Pod]], None], trouble: Callable[[ReloadError], None]) -> None:
        """Tell of the pods whenever one changes, for ever."""
        while True:
            try:
                pods, version = self.pods()
                tell(dict(pods))
                watching: Any = watch.Watch  # neither it nor its like has types
                events = watching().stream(
                    self._api().list_namespaced_pod,
                    **self._which(),
                    resource_version=version,
                    timeout_seconds=_LONGEST,
                    # A server that went without a word would be listened to for ever.
                    _request_timeout=(10, _LONGEST + 10),
                )
                for event in events:
                    one = event["object"]
                    if event["type"] == "DELETED":
                        pods.pop(one.metadata.name, None)
                    else:
                        pods[one.metadata.name] = _pod(one)
                    tell(dict(pods))
            except (ApiException, HTTPError):
                # Too old a version, or a server that went: listing them anew says which.
                time.sleep(_PAUSE)
            except ReloadError as error:
                trouble(error)
                time.sleep(_PAUSE)

    def listed(self, pod: Pod) -> dict[str, str]:
        """Name -> digest of each file that the pod has."""
        lines = self._in(pod, _LIST).decode(errors="surrogateescape").splitlines()
        pairs = (line.split("  ./", 1) for line in lines if "  ./" in line)
        return {name: digest for digest, name in pairs}

    def send(self, pod: Pod, difference: Difference, files: Mapping[str, File]) -> None:
        """Make it so. What is gone from the checkout meanwhile is left out: there is another change to come."""
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for name in difference.send:
                try:
                    content = files[name].path.read_bytes()
                except OSError:
                    continue
                entry = tarfile.TarInfo(name)
                entry.size, entry.mode, entry.uid, entry.gid = len(content), 0o644, USER, USER
                tar.addfile(entry, io.BytesIO(content))
        first, rest = difference.remove[:_TOO_MANY], difference.remove[_TOO_MANY:]
        self._in(pod, _TAKE, *first, given=archive.getvalue())
        while rest:
            self._in(pod, 'rm -f -- "$@"', *rest[:_TOO_MANY])
            rest = rest[_TOO_MANY:]

    def _in(self, pod: Pod, script: str, *arguments: str, given: bytes = b"") -> bytes:
        which = ["--kubeconfig", self.kubeconfig] if self.kubeconfig else []
        where = ["--context", self.context, "--namespace", self.namespace]
        inside = ["sh", "-c", f"cd {TREE} && {script}", "sh", *arguments]
        command = ["kubectl", *which, *where, "exec", "-i", pod.name, "-c", CONTAINER, "--", *inside]
        try:
            done = subprocess.run(command, input=given, capture_output=True, timeout=_PATIENCE, check=False)
        except FileNotFoundError:
            raise ReloadError("There is no kubectl.", "install it, or use `make dev`, which brings its own") from None
        except subprocess.TimeoutExpired:
            raise ReloadError(f"{pod.name} took no files for {_PATIENCE} s.", "see `kubectl describe pod`") from None
        if done.returncode != 0:
            told = done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}"
            raise ReloadError(f"{pod.name} did not take files: {told}", "it is tried again")
        return done.stdout

    def _api(self) -> client.CoreV1Api:
        connect: Any = config.new_client_from_config
        return client.CoreV1Api(connect(self.kubeconfig, context=self.context))

    def _which(self) -> dict[str, Any]:
        labels = ",".join(f"{key}={value}" for key, value in selector("app").items())
        return {"namespace": self.namespace, "label_selector": labels}


def _pod(one: Any) -> Pod:
    """Running is enough: what makes a pod ready again may be in the very file that is sent."""
    statuses = {each.name: each for each in one.status.container_statuses or []}
    container = statuses.get(CONTAINER)
    return Pod(
        name=one.metadata.name,
        identity=f"{one.metadata.uid} {container.container_id if container else ''}",
        takes=any(volume.name == VOLUME for volume in one.spec.volumes or []),
        runs=bool(container and container.state.running) and one.metadata.deletion_timestamp is None,
    )


def _words(error: Exception) -> str:
    if isinstance(error, ApiException):
        return f"{error.status} {error.reason}"
    reason = getattr(error, "reason", None) or error
    return str(reason).rpartition(": ")[2] or type(error).__name__
