"""A BuildKit of a test's own, with an empty cache: the machine's is worth minutes."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from localcloud.cluster import layout
from localcloud.images import buildkit


@contextmanager
def own_builder(folder: Path) -> Iterator[str]:
    """What `buildkit_up` starts meanwhile keeps all it has in this folder; gives its address. It is gone afterwards."""
    (folder / "home").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(buildkit, "CONTAINER", "vision-week-test-buildkit")
        patch.setattr(buildkit, "socket", lambda: folder / "run" / "buildkitd.sock")
        patch.setattr(buildkit, "_cache", lambda: folder / "cache")
        patch.setattr(layout, "home", lambda: folder / "home")
        try:
            yield f"unix://{folder}/run/buildkitd.sock"
        finally:
            buildkit.buildkit_down()
