"""What auditors and the pipeline look at: secrets' generation, policies' exemptions."""

from typing import Annotated

from pydantic import Field

from components.values import Date, Strict, Text


class Secrets(Strict):
    """Passwords that the program makes for who connects."""

    generation: int = Field(default=1, ge=1)
    """Counts up, from 1, by one at a time: one more, and whoever connects to PostgreSQL and Redis logs in with another
    password, without a failed request (S7.3). A rollback leaves it (DECISIONS: rollback)."""


class Exemption(Strict):
    """A rule that one resource need not keep, for a while."""

    rule: Text
    """Name of the rule in the policy pack (S12.2)."""
    resource: Text
    """Name of the resource, as the preview shows it (S12.2)."""
    reason: Annotated[str, Field(min_length=20)]
    """Why, for an auditor, in 20 characters or more: "needed" explains nothing (S12.2)."""
    owner: Text
    """Who answers for it (S12.2)."""
    expires: Date
    """The last day that it holds: `"2027-01-31"` (S12.2)."""


class Policies(Strict):
    """The policy pack."""

    exemptions: tuple[Exemption, ...] = ()
    """Each with its reason, owner and end (S12.2)."""
