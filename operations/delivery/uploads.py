"""Uploads as they were at some time, from the versions that their bucket keeps.

What is brought back becomes the current version again, as a copy; what it takes the place of is kept as a former one.
So nothing is ever deleted here, a second run finds nothing to do, and one restoring can be undone by another. A file
that came after that time stays: the database of that time doesn't know of it, and nobody is shown it.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any, Final

from google.api_core.exceptions import GoogleAPICallError, PreconditionFailed
from google.auth.exceptions import GoogleAuthError
from google.cloud import storage

from components.settings import GoogleCluster
from operations.delivery.problem import DeliveryError, Exit
from operations.delivery.target import Target

# What the application calls a file that isn't whole yet, and the bucket forgets after a day.
_UNFINISHED: Final = ".part"
_AT_ONCE: Final = 8


@dataclass(frozen=True)
class Version:
    """One version of a file. begun, ended: when it was the current one; it still is where there is no end.

    content: what tells two contents apart.
    """

    name: str
    generation: int
    begun: datetime
    ended: datetime | None
    size: int
    content: str

    def was_current(self, moment: datetime) -> bool:
        return self.begun <= moment and (self.ended is None or moment < self.ended)


@dataclass(frozen=True)
class Return:
    """A version that comes back, in the place of another or of none."""

    version: Version
    instead_of: Version | None


@dataclass(frozen=True)
class Plan:
    """What restoring does. same: files that are as they were. newer: names of those that came after, and stay."""

    returns: Sequence[Return]
    same: int
    newer: Sequence[str]

    @classmethod
    def of(cls, versions: Iterable[Version], moment: datetime) -> "Plan":
        """What brings the files back that were there at a moment."""
        returns, newer, same = [], [], 0
        whole = (each for each in versions if not each.name.endswith(_UNFINISHED))
        for name, group in groupby(
            sorted(whole, key=lambda each: (each.name, each.generation)), lambda each: each.name
        ):
            known = list(group)
            then = next((each for each in reversed(known) if each.was_current(moment)), None)
            now = next((each for each in reversed(known) if each.ended is None), None)
            if then is None:
                newer += [name] if now else []
            elif now is not None and now.content == then.content:
                same += 1
            else:
                returns.append(Return(then, now))
        return cls(returns, same, newer)

    @property
    def size(self) -> int:
        """Bytes that come back."""
        return sum(each.version.size for each in self.returns)


def restore(target: Target, moment: datetime, confirm: Callable[[Plan], bool], say: Callable[[str], None]) -> None:
    """Bring back the uploads of a stack as they were at a moment, once somebody has agreed to what would change."""
    cluster, days = target.settings.cluster, target.settings.storage.uploads_days
    if not isinstance(cluster, GoogleCluster):
        raise DeliveryError(
            f"The uploads of {target.stack} are in a volume of its cluster, which keeps no versions.",
            "docs/uploads.md has how they are saved and brought back there",
        )
    now = datetime.now(UTC)
    if not now - timedelta(days=days) <= moment <= now:
        raise DeliveryError(
            f"{moment.isoformat()} is not within the last {days} days, for which versions are kept "
            "(storage.uploads_days).",
            f"name a time between {(now - timedelta(days=days)).isoformat(timespec='seconds')} and now",
        )
    try:
        bucket = storage.Client(project=cluster.project).bucket(cluster.uploads)
        # In the protocol's own word: the library would send its True as Python writes it.
        plan = Plan.of(map(_version, bucket.client.list_blobs(bucket, versions="true")), moment)
    except (GoogleAPICallError, GoogleAuthError) as error:
        raise DeliveryError(
            f"The versions in the bucket {cluster.uploads} can't be listed: {error}",
            "log in by `gcloud auth application-default login`, as somebody with roles/storage.objectUser on it",
        ) from None
    if not confirm(plan):
        return
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        copied = pool.map(lambda each: _copy(bucket, each), plan.returns)
        failures = [failure for failure in copied if failure]
    done = len(plan.returns) - len(failures)
    say(f"{done} of {len(plan.returns)} files are back.")
    if failures:
        raise DeliveryError(
            f"{len(failures)} are not: {failures[0]}", "the same command carries on from here", Exit.BROKEN
        )


def _version(blob: Any) -> Version:
    return Version(blob.name, blob.generation, blob.time_created, blob.time_deleted, blob.size, blob.crc32c)


def _copy(bucket: Any, one: Return) -> str | None:
    """Make a version the current one again; why not, where that fails."""
    version, current = one.version, one.instead_of
    try:
        bucket.copy_blob(
            bucket.blob(version.name),
            bucket,
            source_generation=version.generation,
            # Not over what somebody has written since the plan was made.
            if_generation_match=current.generation if current else 0,
        )
    except PreconditionFailed:
        return f"{version.name} was written by somebody else meanwhile"
    except (GoogleAPICallError, GoogleAuthError) as error:
        return f"{version.name}: {error}"
    return None
