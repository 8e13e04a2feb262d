"""The life of a plugin's process: it tells the engine its port, serves, and ends with the engine.

However the engine ended: a plugin that outlives it would go on changing what the next update changes too.
"""

import os
import signal
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NoReturn

import grpc

from localcloud.plugins.protocol import MESSAGE_LIMIT

_THREADS: Final = 512  # made only as they are needed: `pulumi up --parallel` may ask for many at once
_DRAIN: Final = 1.0  # seconds that answers under way get when the engine says goodbye; it kills after 5


def serve(add_services: Callable[[grpc.Server], None], on_end: Callable[[], None]) -> NoReturn:
    """Serve until the engine closes the plugin or is gone; `on_end` tells whoever still works to stop."""
    server = grpc.server(
        ThreadPoolExecutor(_THREADS),
        options=[
            ("grpc.max_receive_message_length", MESSAGE_LIMIT),
            ("grpc.max_send_message_length", MESSAGE_LIMIT),
            ("grpc.so_reuseport", 0),
        ],
    )
    add_services(server)
    port = server.add_insecure_port("127.0.0.1:0")
    over, end = _end_of_signals()
    if stat.S_ISFIFO(os.fstat(0).st_mode):
        threading.Thread(target=_await_end_of_engine, args=(end,), daemon=True).start()
    server.start()
    print(port, flush=True)  # noqa: T201  the engine reads the port here
    os.read(over, 1)
    # Whatever doesn't end by then is ended by the kernel: while a plugin is there, the engine waits for its output.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, _DRAIN + 2)
    on_end()
    server.stop(_DRAIN).wait()
    # Threads that still wait for something don't hold the process: the engine has given up on them.
    os._exit(0)


def _end_of_signals() -> tuple[int, int]:
    """A pipe that has something to read when the process is told to end.

    The interpreter itself writes there, at that very moment: a handler in Python would wait until the main thread comes
    to it, which on a busy machine may just have gone to sleep.
    """
    over, end = os.pipe()
    os.set_blocking(end, False)
    signal.set_wakeup_fd(end, warn_on_full_buffer=False)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    return over, end


def _await_end_of_engine(end: int) -> None:
    """The engine holds the other end of stdin and never writes: end of file means that it is gone."""
    while os.read(0, 4096):
        pass
    os.write(end, b"\0")
