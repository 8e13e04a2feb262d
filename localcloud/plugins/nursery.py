"""A process whose forks become plugins, so that these needn't import what all of them need; see `start`.

The language host runs one beside each program. It is a single thread and has no gRPC channel, so forks are sound: they
start with modules and nothing else. It ends when the language host closes its stdin or is gone. A fork ends with the
process that handed over to it.
"""

import ast
import os
import runpy
import select
import signal
import socket
import sys
import threading
from typing import NoReturn

from localcloud.plugins import start


def main() -> None:
    """Listen first: who comes while the modules are imported waits no longer than if it imported them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the language host decides; it is in the same process group
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no fork is waited for
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(start.address(sys.argv[1:]))
        listener.listen()
        _prepare()
        while listener in select.select([listener, sys.stdin], [], [])[0]:
            connection, _ = listener.accept()
            if start.user_of(connection) == os.getuid() and os.fork() == 0:
                listener.close()
                _become_plugin(connection)
            connection.close()


def _prepare() -> None:
    """Import what plugins do, but none of the modules that are run as one."""
    import localcloud.plugins.docker_build.provider  # noqa: PLC0415
    import localcloud.plugins.kinds  # noqa: PLC0415
    import localcloud.plugins.kubernetes.provider  # noqa: PLC0415
    import localcloud.plugins.server  # noqa: F401, PLC0415


def _become_plugin(connection: socket.socket) -> NoReturn:
    os.setsid()  # not in the language host's process group, which may end before
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rb") as message:
        given = ast.literal_eval(message.readline().decode())
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(given["environment"])
    os.chdir(given["directory"])
    connection.send(start.TAKEN)
    threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
    _run(*given["arguments"])


def _end_with(connection: socket.socket) -> None:
    connection.recv(1)
    os.kill(os.getpid(), signal.SIGTERM)


def _run(module: str, *arguments: str) -> NoReturn:
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    main()
