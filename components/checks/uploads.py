"""Where uploads are."""

from collections.abc import Iterator

from components.checks.fault import Fault
from components.settings import GoogleCluster, Settings


def uploads_are_in_one_place(settings: Settings) -> Iterator[Fault]:
    """A bucket has no class and no size, a volume of somebody's class no versions (S2.3)."""
    if isinstance(settings.cluster, GoogleCluster):
        given = ["app.uploads", "storage.shared_access", "storage.shared_class"]
        why = "has no effect where the program makes the cluster: uploads are in a bucket"
    else:
        given = ["storage.uploads_days"]
        why = "has no effect in a cluster that is there already: uploads are in a volume of storage.shared_class"
    for path in given:
        part, _, name = path.partition(".")
        if name in getattr(settings, part).model_fields_set:
            yield Fault(path, why, "leave it out")
