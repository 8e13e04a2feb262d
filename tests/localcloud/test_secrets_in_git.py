"""No password, token or private key lies in the repository: gitleaks, built from its module, reads every file of it."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Final

from localcloud import paths, toolchain
from tests.localcloud.scanning import TOKEN

CONFIGURATION: Final = paths.CHECKOUT / ".gitleaks.toml"


def found(folder: Path) -> list[tuple[str, str]]:
    """The rule and the file of each secret."""
    report = folder.with_suffix(".json")
    words = [
        "--config",
        str(CONFIGURATION),
        "--no-banner",
        "--redact",
        "--exit-code",
        "0",
        "--report-path",
        str(report),
    ]
    subprocess.run([toolchain.binary("gitleaks"), "dir", folder, *words], check=True, capture_output=True)
    return [(each["RuleID"], str(Path(each["File"]).relative_to(folder))) for each in json.loads(report.read_text())]


def test_no_secret_lies_in_the_repository(tmp_path: Path) -> None:
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=paths.CHECKOUT, capture_output=True, text=True, check=True).stdout
    tree = tmp_path / "tree"
    for name in filter(None, names.split("\0")):
        if (paths.CHECKOUT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(paths.CHECKOUT / name, tree / name)
    assert (tree / "Makefile").exists()
    assert found(tree) == []


def test_one_that_lay_there_would_be_found(tmp_path: Path) -> None:
    """A check that never fails is none."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/settings.py").write_text(f'TOKEN = "{TOKEN}"\n')
    assert found(tmp_path / "tree") == [("github-pat", "settings.py")]
