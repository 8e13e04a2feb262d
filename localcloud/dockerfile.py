"""What a Dockerfile says: enough of its language to know what must be there before a build, and what can't be built."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_CONTINUED: Final = re.compile(r"\\[ \t]*\n")
_COMMENT: Final = re.compile(r"^[ \t]*#.*\n?", re.MULTILINE)
_FROM: Final = re.compile(r"^\s*FROM\s+(?:--\S+\s+)*(?P<image>\S+)(?:\s+AS\s+(?P<stage>\S+))?\s*$", re.IGNORECASE)
_ARG: Final = re.compile(r"^\s*ARG\s+(?P<name>\w+)=(?P<default>\S+)\s*$", re.IGNORECASE)
_USE: Final = re.compile(
    r"^\s*COPY\s+(?:--\S+\s+)*?--from=(?P<copied>\S+)|--mount=\S*?from=(?P<mounted>[^,\s]+)", re.IGNORECASE
)
_VARIABLE: Final = re.compile(r"\$(?:\{(?P<braced>\w+)(?::-[^}]*)?\}|(?P<plain>\w+))")
_HERE_DOCUMENT: Final = re.compile(r"\s\d*<<-?[\"']?(?P<end>\w+)[\"']?(?=\s|$)")
_INSTRUCTIONS: Final = frozenset(
    [
        "ADD",
        "ARG",
        "CMD",
        "COPY",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "FROM",
        "HEALTHCHECK",
        "LABEL",
        "MAINTAINER",
        "ONBUILD",
        "RUN",
        "SHELL",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
        "WORKDIR",
    ]
)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage: its name, if it has one, and the images and stages that it starts from or copies from."""

    name: str | None
    uses: tuple[str, ...]


def stages(text: str) -> tuple[Stage, ...]:
    """The stages of a Dockerfile in order, with the defaults of its global arguments filled in."""
    arguments: dict[str, str] = {}
    found: list[tuple[str | None, list[str]]] = []
    for line in _instructions(text):
        if not found and (argument := _ARG.match(line)):
            arguments[argument["name"]] = argument["default"].strip("\"'")
        elif start := _FROM.match(line):
            found.append((start["stage"], [_filled(start["image"], arguments)]))
        elif found:
            found[-1][1].extend(use["copied"] or use["mounted"] for use in _USE.finditer(line))
    return tuple(Stage(name=name, uses=tuple(uses)) for name, uses in found)


def images(text: str, replaced: frozenset[str] = frozenset()) -> frozenset[str]:
    """The images that a build needs: all that its stages use, but for those of stages that are `replaced`."""
    all_stages = stages(text)
    local = {stage.name for stage in all_stages} | {str(number) for number in range(len(all_stages))} | {"scratch"}
    return frozenset(
        use for stage in all_stages if stage.name not in replaced for use in stage.uses if use not in local
    )


def wrong(text: str) -> str | None:
    """Why no builder would take this Dockerfile, None if its form is right."""
    for line in _instructions(text):
        word = line.split(maxsplit=1)[0]
        if word.upper() not in _INSTRUCTIONS:
            return f"unknown instruction: {word}"
    return None if stages(text) else "no build stage, it has no FROM"


def _instructions(text: str) -> Iterator[str]:
    """One line an instruction. What a here-document holds is no instruction."""
    end = ""
    for line in _CONTINUED.sub(" ", _COMMENT.sub("", text)).splitlines():
        if end:
            end = "" if line.strip() == end else end
        elif line.strip():
            document = _HERE_DOCUMENT.search(line)
            end = document["end"] if document else ""
            yield line


def _filled(image: str, arguments: dict[str, str]) -> str:
    return _VARIABLE.sub(lambda match: arguments.get(match["braced"] or match["plain"], match[0]), image)
