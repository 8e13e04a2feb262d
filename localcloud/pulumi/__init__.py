"""Pulumi on this machine: the command with its plugins, a backend of files, and stacks that survive bad luck."""

from localcloud.pulumi.command_line import run
from localcloud.pulumi.home import command, environment, install
from localcloud.pulumi.recovery import recover
from localcloud.pulumi.stacks import ensure_stack, output, up

__all__ = ["command", "ensure_stack", "environment", "install", "output", "recover", "run", "up"]
