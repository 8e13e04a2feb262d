"""Places in the cache that are made once, whole or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from localcloud import files
from localcloud.alone import alone


@contextmanager
def one_builder(target: Path) -> Iterator[Path | None]:
    """A folder to fill, which becomes the target when that went well; None if the target is there.

    One builder at a time: others wait, and find it there. What runs that were killed had begun is cleared.
    """
    with alone(target.with_name(f".{target.name}.lock")):
        if target.exists():
            yield None
            return
        for remains in target.parent.glob(f".{target.name}-*"):
            shutil.rmtree(remains)
        temporary = Path(mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
        try:
            yield temporary
            temporary.chmod(0o755)
            files.put_in_place(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
