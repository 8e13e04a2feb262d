"""A plugin as the engine starts it: handed over to a process that has loaded what plugins need, if there is one.

Engines start the plugins of a program one after the other, and nearly all of a plugin's start is importing gRPC: 0.1 s
in which everything waits. `localcloud.plugins.nursery` has it imported while the program still starts; a fork of it
takes over the streams, arguments and environment that the engine gave to this process, which lasts as long as the fork
does. Where no nursery answers, this process becomes the plugin by itself.

Few modules are imported, and none of ours: all of this is to take a hundredth of a second.
"""

# ruff: noqa: PTH109, S606  pathlib takes time; it becomes the plugin, given its own arguments

import os
import socket
import struct
import sys

TAKEN = b"1"  # what a fork says that has taken over


def main(arguments: list[str]) -> None:
    """Be the plugin whose module is the first argument; the engine's own arguments follow."""
    with socket.socket(socket.AF_UNIX) as nursery:
        if _hand_over(arguments, nursery):
            _await_end(nursery)
            return
    os.execv(sys.executable, [sys.executable, "-P", "-m", *arguments])


def _hand_over(arguments: list[str], nursery: socket.socket) -> bool:
    """Whether a fork of the nursery is the plugin now."""
    try:
        nursery.connect(address(arguments[1:]))
        if user_of(nursery) != os.getuid():
            return False
        given = {"arguments": arguments, "environment": dict(os.environ), "directory": os.getcwd()}
        socket.send_fds(nursery, [b"\n"], [0, 1, 2])
        nursery.sendall(repr(given).encode() + b"\n")
        return nursery.recv(1) == TAKEN
    except OSError:
        return False


def _await_end(fork: socket.socket) -> None:
    try:  # noqa: SIM105  contextlib takes time
        fork.recv(1)
    except OSError:  # it was killed
        pass


def address(arguments: list[str]) -> str:
    """Where the nursery of the engine that gave these arguments listens: an abstract name, no file."""
    engine = next((argument for argument in arguments if not argument.startswith("-")), "")
    return f"\0localcloud-plugins-of-{engine}"


def user_of(connection: socket.socket) -> int:
    """Who is at the other end: what is handed over is for no one else."""
    _, user, _ = struct.unpack(
        "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    )
    return int(user)


if __name__ == "__main__":
    main(sys.argv[1:])
