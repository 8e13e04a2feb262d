"""The specification's numbers, which code, tests and documents cite, lead somewhere."""

import re
import subprocess
from pathlib import Path

from tests.unit.test_readme import CHECKOUT

SPECIFICATION = CHECKOUT / "docs" / "specification.md"
# S3.1, but not the linters' S603 nor a part of another word.
CITED = re.compile(r"(?<![\w./-])S(\d{1,2})(?:\.(\d{1,2}))?(?![\w-])(?!\.\d)")
READ = {".py", ".md", ".yaml", ".yml", ".php", ".sql", ".conf", ".sh", ".go", ".toml", ".dart", ".html", ".js", ""}


def files() -> list[Path]:
    """All that is in the repository and written by people."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    named = (CHECKOUT / line for line in listed.stdout.splitlines())
    return [file for file in named if file.is_file() and file.suffix in READ and file != SPECIFICATION]


def test_every_number_of_the_specification_that_is_cited_is_in_it() -> None:
    text = SPECIFICATION.read_text()
    facts = set(re.findall(r"^- \*\*(S\d+\.\d+)\*\*", text, re.MULTILINE))
    sections = set(re.findall(r"^## (S\d+) ", text, re.MULTILINE))
    assert len(sections) == 12
    cited = {
        (match[0], str(file.relative_to(CHECKOUT))) for file in files() for match in CITED.finditer(file.read_text())
    }
    assert any(number == "S3.1" for number, _ in cited)
    assert sorted(f"{number} in {file}" for number, file in cited if number not in facts | sections) == []


def test_facts_are_numbered_without_a_gap_and_once() -> None:
    facts = re.findall(r"^- \*\*S(\d+)\.(\d+)\*\*", SPECIFICATION.read_text(), re.MULTILINE)
    for section in {section for section, _ in facts}:
        numbers = [int(number) for other, number in facts if other == section]
        assert numbers == list(range(1, len(numbers) + 1)), f"S{section}"
