"""The next generation of passwords, written into a stack's file."""

from pathlib import Path

import pytest

from operations import rotate
from operations.problem import Problem
from operations.stacks import settings_of
from tests.unit.recording import CHECKOUT


def copied(stack: str, folder: Path) -> Path:
    file = folder / f"Pulumi.{stack}.yaml"
    file.write_text((CHECKOUT / file.name).read_text())
    return file


@pytest.mark.parametrize("stack", ["staging", "production"])
def test_one_more_is_written_and_nothing_else_is_changed(stack: str, tmp_path: Path) -> None:
    """S7.3: by one at a time."""
    file = copied(stack, tmp_path)
    before, lines = settings_of(file).secrets.generation, file.read_text().splitlines()
    assert rotate.rotate(file) == before + 1
    assert rotate.rotate(file) == before + 2
    assert settings_of(file).secrets.generation == before + 2
    changed = [line for line, was in zip(file.read_text().splitlines(), lines, strict=True) if line != was]
    assert changed == [f"  vision-week:secrets: {{ generation: {before + 2} }}"]


def test_a_file_without_the_number_is_left_alone_and_the_line_is_named(tmp_path: Path) -> None:
    file = copied("staging", tmp_path)
    text = "".join(line for line in file.read_text().splitlines(keepends=True) if "vision-week:secrets" not in line)
    file.write_text(text)
    with pytest.raises(Problem) as raised:
        rotate.rotate(file)
    assert "write `  vision-week:secrets: { generation: 1 }` into it" in str(raised.value.hint)
    assert file.read_text() == text


def test_a_stack_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["rotate", "prodution"])
    assert rotate.main() == 1
    assert "Pulumi.prodution.yaml can't be read" in capsys.readouterr().err


def test_without_a_stack_the_way_to_say_one_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["rotate"])
    assert rotate.main() == 2
    assert "make rotate STACK=staging" in capsys.readouterr().err
