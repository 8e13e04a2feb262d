"""What is in a bucket of Google's, as files in a folder: history and evidence are read the same way from both."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any, Final

from google.api_core.exceptions import GoogleAPICallError, PreconditionFailed
from google.auth.exceptions import GoogleAuthError
from google.cloud import storage

from operations.problem import Problem

GOOGLE: Final = "gs://"


@contextmanager
def folder(place: str) -> Iterator[Path]:
    """The folder that a place is, or a copy of it for a while. place: a path, or `gs://BUCKET/PREFIX`.

    Raises `Problem` where the bucket can't be read.
    """
    if not place.startswith(GOOGLE):
        yield Path(place)
        return
    bucket, prefix = _found(place)
    with TemporaryDirectory(prefix="vision-week-audit-") as copy:
        with _in_words(place):
            for blob in bucket.client.list_blobs(bucket, prefix=prefix, delimiter="/"):
                if name := PurePosixPath(blob.name).name:
                    blob.download_to_filename(Path(copy) / name)
        yield Path(copy)


def keep(files: Iterable[Path], place: str, *, by_hash: bool = False) -> None:
    """Put new files where the folder came from, in their order. Nothing that is there is written over.

    by_hash: they are named by what is in them, so that one that is there is the same.
    Raises `Problem` where that can't be, and where somebody else has put something there under the same name.
    """
    if not place.startswith(GOOGLE):
        return
    bucket, prefix = _found(place)
    with _in_words(place):
        for file in files:
            with suppress(PreconditionFailed) if by_hash else nullcontext():
                bucket.blob(f"{prefix}{file.name}").upload_from_filename(file, if_generation_match=0)


def _found(place: str) -> tuple[Any, str]:
    name, _, path = place.removeprefix(GOOGLE).partition("/")
    path = path.strip("/")
    try:
        return storage.Client().bucket(name), f"{path}/" if path else ""
    except (GoogleAuthError, OSError) as error:
        raise _refused(place, error) from None


@contextmanager
def _in_words(place: str) -> Iterator[None]:
    try:
        yield
    except PreconditionFailed:
        raise Problem(f"Somebody else has written to {place} meanwhile.", "do the same again") from None
    except (GoogleAPICallError, GoogleAuthError) as error:
        raise _refused(place, error) from None


def _refused(place: str, error: Exception) -> Problem:
    return Problem(
        f"{place} can't be reached: {error}",
        "log in by `gcloud auth application-default login`, as somebody who may read it, or write to it for a record",
    )
