"""Pulumi on this machine: the command with its plugins, a backend of files, and stacks that survive bad luck."""

from localcloud.pulumi.home import command, complete, environment, foreign, install, mend
from localcloud.pulumi.recovery import recover
from localcloud.pulumi.stacks import ensure_stack, output, policies, require_settings, run, up
from localcloud.pulumi.standing import Standing, standing

__all__ = [
    "Standing",
    "command",
    "complete",
    "ensure_stack",
    "environment",
    "foreign",
    "install",
    "mend",
    "output",
    "policies",
    "recover",
    "require_settings",
    "run",
    "standing",
    "up",
]
