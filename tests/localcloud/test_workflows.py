"""What those who know find wrong with the workflows: actionlint, built from its module, and zizmor."""

import subprocess
import sys
from pathlib import Path

from localcloud import paths, toolchain

WORKFLOWS = Path(".github/workflows")
ZIZMOR = Path(sys.executable).with_name("zizmor")


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=paths.CHECKOUT, capture_output=True, text=True, check=False)


def test_actionlint_finds_nothing_in_the_workflows() -> None:
    done = run(toolchain.binary("actionlint"))
    assert done.returncode == 0, done.stdout


def test_zizmor_finds_nothing_in_the_workflows() -> None:
    done = run(ZIZMOR, "--offline", "--no-progress", WORKFLOWS)
    assert done.returncode == 0, done.stdout
    assert "No findings to report" in done.stdout


def test_both_find_what_is_wrong(tmp_path: Path) -> None:
    """A check that never fails is none."""
    text = (paths.CHECKOUT / WORKFLOWS / "main.yaml").read_text()
    wrong = tmp_path / ".github" / "workflows" / "main.yaml"
    wrong.parent.mkdir(parents=True)
    pasted = "run: echo ${{ github.event.head_commit.message }}"
    wrong.write_text(text.replace("run: make test", pasted).replace("needs: checks", "needs: cheks"))
    assert "cheks" in run(toolchain.binary("actionlint"), wrong).stdout
    assert "template-injection" in run(ZIZMOR, "--offline", "--no-progress", wrong).stdout
