"""One run of `make dev`: whatever changes, in the checkout or among the pods, the pods are made to have the same."""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final

from watchfiles import watch

from operations.reload.checkout import Checkout, File, difference
from operations.reload.pods import Cluster, Pod, ReloadError

_SETTLED: Final = 50  # milliseconds without a change, after which one is seen to
_LONGEST: Final = 200  # milliseconds that one change waits for others
_AGAIN: Final = 2  # seconds until a sending that failed is tried again

# The beginning of a path in the source tree -> what has to happen besides.
_BESIDES: Final = {
    "composer.": "`pulumi up` installs what it names",
    "frontend/lib/": "`flutter build web` in its folder builds it; that is sent then",
    "frontend/web/": "`flutter build web` in its folder builds it; that is sent then",
    "frontend/pubspec": "`flutter build web` in its folder builds it; that is sent then",
    "migrations/": "`pulumi up` runs it",
}


@dataclass(frozen=True)
class Edited:
    """Files that changed in the source tree."""

    paths: Collection[Path]


@dataclass(frozen=True)
class Seen:
    """The pods that there are now."""

    pods: Mapping[str, Pod]


@dataclass(frozen=True)
class Again:
    """It is time to try again."""


@dataclass(frozen=True)
class Ended:
    """Watching the files can't go on."""

    error: ReloadError


Event = Edited | Seen | Again | Ended | ReloadError


@dataclass
class Session:
    """Sends what differs.

    say: tells the engineer, in one line. known: what each pod has, as far as it was asked. gone: names that the
    checkout had during this run and has no more.
    """

    checkout: Checkout
    cluster: Cluster
    say: Callable[[str], None]
    events: SimpleQueue[Event] = field(default_factory=SimpleQueue)
    known: dict[str, dict[str, str]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    _pods: Mapping[str, Pod] = field(default_factory=dict)
    _files: dict[str, File] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    def run(self) -> None:
        """Go on until interrupted. What can't work from the beginning is an error at once."""
        self._pods, _ = self.cluster.pods()
        self._about_pods()
        for work in (self._watch_files, self._watch_pods):
            threading.Thread(target=work, daemon=True).start()
        self.bring(Again())
        self.say(f"Watching {self.checkout.source} for {self.cluster.namespace}; Ctrl-C ends it")
        while True:
            for event in self._next():
                if isinstance(event, Ended):
                    raise event.error
                self.bring(event)

    def bring(self, event: Event) -> None:
        """See to one event."""
        began = time.monotonic()
        if isinstance(event, ReloadError):
            self._once(event)
            return
        if isinstance(event, Seen):
            self._pods = event.pods
            self._about_pods()
        else:
            self._read(event.paths if isinstance(event, Edited) else ())
        pods = [pod for pod in self._pods.values() if pod.takes and pod.runs]
        here = {pod.identity for pod in self._pods.values()}
        self.known = {identity: has for identity, has in self.known.items() if identity in here}
        if not pods:
            return
        with ThreadPoolExecutor(len(pods)) as senders:
            told = [*senders.map(self._send, pods)]
        for line in dict.fromkeys(filter(None, told)):
            names = " ".join(pod.name for pod, said in zip(pods, told, strict=True) if said == line)
            self.say(f"{line} → {names} ({time.monotonic() - began:.1f} s)")

    def _read(self, paths: Collection[Path]) -> None:
        before, self._files = self._files, self.checkout.files()
        self.gone = (self.gone | set(before)) - set(self._files)
        for path in self.checkout.too_large:
            self._once(ReloadError(f"{path} is too large to be sent", "it comes with the image: `pulumi up`"))
        for name in sorted(path.relative_to(self.checkout.source).as_posix() for path in paths):
            if besides := next((words for begins, words in _BESIDES.items() if name.startswith(begins)), None):
                self.say(f"{name}: {besides}")

    def _send(self, pod: Pod) -> str:
        """Make one pod have what the checkout has, and say what was sent."""
        try:
            there = self.known.get(pod.identity)
            if there is None:
                there = self.known[pod.identity] = self.cluster.listed(pod)
            if not (differs := difference(self._files, there, self.gone)):
                return ""
            self.cluster.send(pod, differs, self._files)
        except ReloadError as error:
            # Who knows what it has now: it is asked again.
            self.known.pop(pod.identity, None)
            self._once(error)
            again = threading.Timer(_AGAIN, self.events.put, [Again()])
            again.daemon = True
            again.start()
            return ""
        there.update({name: self._files[name].digest for name in differs.send})
        for name in differs.remove:
            there.pop(name, None)
        self._told.clear()
        return str(differs)

    def _about_pods(self) -> None:
        """What is in the way of every sending."""
        if not self._pods:
            self._once(ReloadError(f"No pod of the application in {self.cluster.namespace}", "`pulumi up` makes them"))
        elif not any(pod.takes for pod in self._pods.values()):
            self._once(ReloadError("The pods were made without app.hot_reload", "`pulumi up` makes new ones"))

    def _once(self, error: ReloadError) -> None:
        """Say what is wrong, and not again before something went well."""
        line = f"{error.what}: {error.hint}"
        if line not in self._told:
            self._told.add(line)
            self.say(line)

    def _next(self) -> list[Event]:
        """What has happened, one of a kind: of the pods only the newest is of interest."""
        waiting = [self.events.get()]
        while True:
            try:
                waiting.append(self.events.get_nowait())
            except Empty:
                break
        seen = [event for event in waiting if isinstance(event, Seen)][-1:]
        return [*seen, *(event for event in waiting if not isinstance(event, Seen))]

    def _watch_files(self) -> None:
        try:
            for changes in watch(self.checkout.source, step=_SETTLED, debounce=_LONGEST, raise_interrupt=False):
                self.events.put(Edited(frozenset(Path(path) for _, path in changes)))
        except OSError as error:
            hint = "see that the folder is there and that fs.inotify.max_user_watches suffices"
            self.events.put(Ended(ReloadError(f"{self.checkout.source} can't be watched: {error}", hint)))

    def _watch_pods(self) -> None:
        self.cluster.watch(lambda pods: self.events.put(Seen(pods)), self.events.put)
