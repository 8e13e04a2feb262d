"""The database of known vulnerabilities, as grype keeps it. Without one of these days nothing is scanned."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from operations.scan.programs import NotScanned, run

# Vulnerabilities become known every day: one that is older knows nothing of the last ones. It is made once a day.
OLDEST: Final = "120h"


@dataclass(frozen=True)
class Database:
    """built: when it was made. environment: what has grype read this one and fetch no other."""

    built: str
    environment: Mapping[str, str]


@contextmanager
def ready(given: str | None) -> Iterator[Database]:
    """The newest one: of grype's own publisher, or of a mirror's address, or an archive on this machine.

    Raises `NotScanned` where it can't be had or is too old, whatever an earlier run has left on this machine.
    """
    with TemporaryDirectory() as folder:
        archive = given is not None and Path(given).exists()
        environment = {
            "GRYPE_DB_AUTO_UPDATE": "false",
            "GRYPE_DB_VALIDATE_AGE": "true",
            "GRYPE_DB_MAX_ALLOWED_BUILT_AGE": OLDEST,
            "GRYPE_DB_MAX_UPDATE_CHECK_FREQUENCY": "0",
            **({"GRYPE_DB_CACHE_DIR": folder} if archive else {}),
            **({"GRYPE_DB_UPDATE_URL": given} if given and not archive else {}),
        }
        fetch = ("import", str(given)) if archive else ("update",)
        for words in (fetch, ("status", "-o", "json")):
            done = run("grype", "db", *words, more=environment)
            if done.returncode != 0:
                raise NotScanned(
                    f"There is no database of vulnerabilities to scan with: {_said(done.stderr)}",
                    "see that its address can be reached from here, or give --database the address of a mirror, or an "
                    "archive that was fetched elsewhere in the last five days (docs/delivery.md)",
                )
        yield Database(str(json.loads(done.stdout)["built"]), environment)


def _said(text: str) -> str:
    """The last line, which is the error itself, without what colours it."""
    return re.sub(r"\x1b\[\d*m", "", text.strip().rpartition("\n")[2])
