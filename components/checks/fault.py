"""What is wrong with a stack's settings."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Fault:
    """Something wrong with a stack's settings.

    path: the key, as one would give it to `pulumi config set --path`, without our namespace; with a colon in it, it is
        another's.
    reason: what is wrong. hint: what would be right.
    value: what was given, as a reader may see it; None where nothing was.
    """

    path: str
    reason: str
    hint: str = ""
    value: str | None = None

    def at(self, value: str | None) -> "Fault":
        return replace(self, value=value)
