"""What may be found all the same: a file of exceptions, each with its reason, its owner and its end."""

import datetime
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Final

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from operations.problem import Problem
from operations.scan.findings import Finding

FILE: Final = Path(__file__).with_name("allowed.yaml")
NAME: Final = "operations/scan/allowed.yaml"  # as people call it, in whatever folder the checkout is
Text = Annotated[str, Field(min_length=1)]


class Allowance(BaseModel):
    """A vulnerability or a secret that somebody has looked at.

    id, package: as the scan names them; `*` in a package's name or a file's path stands for anything. expires: the last
    day on which it holds.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Text
    package: Text
    reason: Annotated[str, Field(min_length=20)]
    owner: Text
    expires: datetime.date

    def covers(self, finding: Finding) -> bool:
        return self.id in (finding.id, *finding.aliases) and fnmatchcase(finding.package, self.package)


def allowed(file: Path = FILE) -> Sequence[Allowance]:
    """What the file says. Raises `Problem` with every mistake in it."""
    try:
        return TypeAdapter(tuple[Allowance, ...]).validate_python(yaml.safe_load(file.read_text()) or ())
    except OSError as error:
        raise Problem(f"{file} can't be read: {error.strerror}.", "name a file that is there") from None
    except yaml.YAMLError as error:
        raise Problem(f"{file} is no YAML: {error}", "mend what it names") from None
    except ValidationError as error:
        told = "\n".join(f"  {'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
        raise Problem(
            f"{file} has mistakes:\n{told}", "each entry has id, package, reason, owner and expires"
        ) from None
