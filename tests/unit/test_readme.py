"""What the README promises, as far as it can be checked without a cluster: its commands, its links, its keys."""

import re
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
MAKEFILE = (CHECKOUT / "Makefile").read_text()
DOCUMENTS = [CHECKOUT / "README.md", *sorted((CHECKOUT / "docs").glob("*.md"))]


def targets() -> set[str]:
    return set(re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE))


def code_of(text: str) -> list[str]:
    """What stands in fences or between backticks; prose may make use of the word."""
    fenced = re.findall(r"^```.*?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^```.*?\n.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [*fenced, *re.findall(r"`([^`\n]+)`", rest)]


def test_every_target_is_in_the_readme_and_every_command_there_is_a_target() -> None:
    text = (CHECKOUT / "README.md").read_text()
    table = "\n".join(line for line in text.splitlines() if line.startswith("| `"))
    told = set(re.findall(r"make(?: -s)? ([a-z]+(?:-[a-z]+)*)", table))
    assert told == targets() - {"help"}
    code = "\n".join(part for file in DOCUMENTS for part in code_of(file.read_text()))
    assert set(re.findall(r"(?:^|\$\(|&& )make(?: -s)? ([a-z-]+)", code, re.MULTILINE)) <= targets()


def test_every_target_has_a_line_of_help_and_sets_up_what_it_needs() -> None:
    rules = dict(re.findall(r"^([a-z-]+):(.*)$", MAKEFILE, re.MULTILINE))
    for target in targets():
        assert "## " in rules[target], target
        assert target == "help" or ".venv/.ready" in rules[target], target


def test_links_lead_somewhere() -> None:
    for file in DOCUMENTS:
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", file.read_text()):
            if "://" not in link:
                assert (file.parent / link).exists(), f"{file.name}: {link}"
