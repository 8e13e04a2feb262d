"""The table of documented behaviours in docs/local-cloud.md, made from the tests of conformance.

    python -m tests.engine.table

A behaviour passes here when the suite is green, unless its test is marked as a known difference (`xfail(strict=True)`,
which fails as soon as it is none any more). Parity is known only from a report of the same suite against the official
plugin: `docs/conformance/<plugin>.xml`, as `pytest --junit-xml` writes it.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

_CHECKOUT: Final = Path(__file__).resolve().parent.parent.parent
_SUITES: Final = "test_*_conformance*.py"
DOCUMENT: Final = _CHECKOUT / "docs" / "local-cloud.md"
REPORTS: Final = _CHECKOUT / "docs" / "conformance"
_BEGIN, _END = "<!-- behaviours: written by python -m tests.engine.table -->", "<!-- behaviours end -->"


@dataclass(frozen=True)
class Behaviour:
    """One documented behaviour: its test's name, where it is documented, what is known to differ."""

    test: str
    source: str
    difference: str

    @property
    def sentence(self) -> str:
        words = self.test.removeprefix("test_").replace("_", " ")
        return words[0].upper() + words[1:]


def written(document: str, reports: Path = REPORTS) -> str:
    """The document with the table as the tests are now."""
    before, _, rest = document.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    if not after:
        sys.exit(f"{DOCUMENT} has no lines {_BEGIN!r} and {_END!r}")
    sections = "\n".join(_section(file, reports) for file in sorted(Path(__file__).parent.glob(_SUITES)))
    return f"{before}{_BEGIN}\n\n{sections}\n{_END}{after}"


def behaviours(file: Path) -> Iterator[Behaviour]:
    """The behaviours that a file of tests states; every test must state one and cite its source."""
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            *_, source = (ast.get_docstring(node) or "").splitlines() or [""]
            if not source.startswith("https://"):
                sys.exit(f"{file.name}: {node.name} does not say where its behaviour is documented")
            yield Behaviour(node.name, source, _difference(node))


def _section(file: Path, reports: Path) -> str:
    plugin = file.stem.removeprefix("test_").partition("_conformance")[0].replace("_", "-")
    verdicts = _verdicts(reports / f"{plugin}.xml")
    title = (ast.get_docstring(ast.parse(file.read_text())) or "").partition("\n")[0]
    rows = [
        f"| {one.sentence} | [{_title(one.source)}]({one.source}) | {one.difference or 'yes'} | "
        f"{verdicts.get(one.test, 'unverified')} |"
        for one in behaviours(file)
    ]
    head = "| Behaviour | Documented | Passes here | Official plugin |\n|---|---|---|---|"
    return f"### {plugin}: {title.partition(', as the official')[0].rstrip('.')}\n\n{head}\n" + "\n".join(rows) + "\n"


def _difference(node: ast.FunctionDef) -> str:
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.xfail":
            reason = next(ast.literal_eval(word.value) for word in decorator.keywords if word.arg == "reason")
            return f"no: {reason}"
    return ""


def _title(source: str) -> str:
    """What a link is called: the page, or the repository's thread."""
    parts = source.partition("#")[0].removeprefix("https://").rstrip("/").split("/")
    return f"#{parts[-1]}" if parts[-2] in {"pull", "issues"} else parts[-1]


def _verdicts(report: Path) -> dict[str, str]:
    """By test: whether the official plugin passes it; a test with parameters passes when all of them do."""
    if not report.exists():
        return {}
    found: dict[str, str] = {}
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314  a report of our own
        name = case.get("name", "").partition("[")[0]
        failed = any(case.find(kind) is not None for kind in ("failure", "error"))
        found[name] = "differs" if failed or found.get(name) == "differs" else "same"
    return found


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text()))
