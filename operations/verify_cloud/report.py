"""What came of it: each claim verified, refuted, or not tried, with the reason; and what is left at Google."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from operations.delivery.problem import Exit
from operations.problem import Problem


class Verdict(StrEnum):
    """NO_ANSWER: it was looked at, and nothing could be seen."""

    VERIFIED = "verified"
    REFUTED = "refuted"
    NO_ANSWER = "no answer"
    NOT_TRIED = "not tried"


@dataclass(frozen=True)
class Result:
    """Of a claim. told: where the documents say it. seen: or the reason why nothing was."""

    claim: str
    told: str
    verdict: Verdict
    seen: str


@dataclass(frozen=True)
class Step:
    """problem: None where it went well."""

    title: str
    seconds: float
    problem: str | None


@dataclass(frozen=True)
class Left:
    """Something that is still at Google. command: removes it."""

    what: str
    command: str


@dataclass
class Report:
    """changed: settings that are not staging's. kept: the stack is left there on purpose. gone: it was removed."""

    stack: str
    project: str
    changed: Sequence[str]
    steps: list[Step] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
    kept: bool = False
    gone: bool = False

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Write down how long it took, and what stopped it."""
        started = time.monotonic()
        problem: str | None = "interrupted"
        try:
            yield
            problem = None
        except Problem as found:
            problem = found.what
            raise
        finally:
            self.steps.append(Step(title, time.monotonic() - started, problem))

    def of(self, *verdicts: Verdict) -> list[Result]:
        return [each for each in self.results if each.verdict in verdicts]

    @property
    def code(self) -> Exit:
        """How the command ends, where nothing stopped it."""
        if self.left:
            return Exit.BROKEN
        return Exit.TESTS if self.of(Verdict.REFUTED, Verdict.NO_ANSWER) else Exit.DONE

    def summary(self) -> Iterator[str]:
        """For a terminal."""
        for step in self.steps:
            if step.problem:
                yield f"failed: {step.title}: {step.problem}"
        for verdict in (Verdict.REFUTED, Verdict.NO_ANSWER):
            for each in self.of(verdict):
                yield f"{verdict}: {each.claim} ({each.told}): {each.seen}"
        for left in self.left:
            yield f"left: {left.what}: {left.command}"
        yield ", ".join(f"{len(self.of(verdict))} {verdict}" for verdict in Verdict)

    def write(self, file: Path) -> None:
        """As Markdown."""
        lines = [f"# {self.stack}, in the project {self.project}", "", "Pulumi.staging.yaml, but for:", ""]
        lines += [f"- `{each}`" for each in self.changed]
        lines += ["", "## Steps", "", "| Step | Seconds | Went |", "|---|---|---|"]
        lines += [f"| {each.title} | {each.seconds:.0f} | {_cell(each.problem or 'well')} |" for each in self.steps]
        lines += ["", "## Claims", "", "| Claim | Said in | It is | Seen, or why not |", "|---|---|---|---|"]
        lines += [
            f"| {each.claim} | {each.told} | **{each.verdict}** | {_cell(each.seen)} |"
            for verdict in Verdict
            for each in self.of(verdict)
        ]
        lines += ["", "## Left at Google", ""]
        lines += [f"- {each.what}: `{each.command}`" for each in self.left]
        if self.gone:
            lines += ["Nothing that was found, but for what can't be deleted (docs/google-cloud.md)."]
        elif not self.left:
            lines += ["The stack, on purpose." if self.kept else "Nobody has looked: it was interrupted."]
        file.write_text("\n".join([*lines, ""]))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "/")
