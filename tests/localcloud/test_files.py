"""Files are there whole or as they were, on a disk that fills up as well."""

import os
import stat
import subprocess
import sys
from pathlib import Path

from localcloud import files, paths


def test_a_file_gets_its_content_and_its_mode_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        files.write(tmp_path / "program", "#!/bin/sh\n", mode=0o755)
        files.write_private(tmp_path / "new" / "secret", "hush")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "program").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "new" / "secret").stat().st_mode) == 0o600
    assert (tmp_path / "program").read_text() == "#!/bin/sh\n"


def test_a_full_disk_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    """A disk of 64 KiB in the memory, of which a mount namespace is the only one to know."""
    code = """
import sys
from pathlib import Path
from localcloud import files

folder = Path(sys.argv[1])
files.write(folder / "kept", "before")
try:
    files.write(folder / "kept", "x" * 1_000_000)
except OSError as error:
    print(error.strerror, sorted(file.name for file in folder.iterdir()), (folder / "kept").read_text())
"""
    mount = 'mount -t tmpfs -o size=64k tmpfs "$1" && shift && exec "$@"'
    alone = ["unshare", "--mount", "--propagation=private", "sh", "-c", mount, "sh", str(tmp_path)]
    said = subprocess.check_output([*alone, sys.executable, "-c", code, str(tmp_path)], cwd=paths.CHECKOUT, text=True)
    assert said == "No space left on device ['kept'] before\n"


def test_a_folder_is_put_in_place_with_all_that_is_in_it(tmp_path: Path) -> None:
    fresh = tmp_path / "fresh"
    (fresh / "deep").mkdir(parents=True)
    (fresh / "deep" / "file").write_text("here")
    (fresh / "link").symlink_to("/nowhere")
    files.put_in_place(fresh, tmp_path / "there")
    assert (tmp_path / "there" / "deep" / "file").read_text() == "here"
    assert not fresh.exists()
