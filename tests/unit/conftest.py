"""The stacks as they would be made, each once known and once as a first preview sees it."""

from collections.abc import Callable
from difflib import unified_diff
from functools import cache
from pathlib import Path

import pytest

from tests.unit.recording import Recording, run_stack
from tests.unit.stacks import STACKS, buildable

INVENTORIES = Path(__file__).parent / "inventories"
UPDATE = "make test-unit ARGUMENTS=--update-inventories"

Stacks = Callable[..., Recording]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-inventories", action="store_true", help="write tests/unit/inventories anew")


@pytest.fixture(scope="session")
def stacks() -> Stacks:
    """A stack by its name; with `preview=True` nothing exists yet: passwords, addresses and digests are unknown."""
    return cache(lambda stack, preview=False: run_stack(buildable(stack), preview=preview))


@pytest.fixture(scope="session")
def development(stacks: Stacks) -> Recording:
    return stacks("development")


@pytest.fixture(params=STACKS)
def stack(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=["known", "first preview"])
def program(request: pytest.FixtureRequest, stacks: Stacks, stack: str) -> Recording:
    """Each stack, once known and once unknown."""
    return stacks(stack, preview=request.param == "first preview")


@pytest.fixture
def part_of_page(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """Compares a text with what stands in a page between the two lines that name this test, or writes it there."""
    begin, end = f"<!-- made by {request.path.relative_to(request.config.rootpath)} -->\n", "<!-- until here -->"

    def compare(page: Path, text: str) -> None:
        head, _, rest = page.read_text().partition(begin)
        found, ended, tail = rest.partition(end)
        assert ended, f"{page} has lost the line {begin}or the one that ends it"
        if request.config.getoption("--update-inventories", default=False):
            page.write_text(f"{head}{begin}\n{text}\n{end}{tail}")
            return
        assert found == f"\n{text}\n", f"review, and write anew by: {UPDATE}"

    return compare


@pytest.fixture
def reviewed(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Compares a text with the one of this name that was reviewed, or writes it with `--update-inventories`."""

    def compare(name: str, text: str) -> None:
        file = INVENTORIES / name
        if request.config.getoption("--update-inventories", default=False):
            file.write_text(text)
        before = file.read_text() if file.exists() else ""
        if before != text:
            lines = unified_diff(before.splitlines(), text.splitlines(), "reviewed", "now", lineterm="", n=2)
            said = f"{name} is not as it was reviewed. If it should be so: {UPDATE}"
            pytest.fail("\n".join([said, *lines]), pytrace=False)

    return compare
