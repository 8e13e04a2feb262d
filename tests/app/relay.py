"""A way to a server that a test can lead elsewhere, or into silence."""

import contextlib
import socket
import threading

from tests.app.servers import Postgres, Redis


class Relay:
    """Passes connections on to a server; those that are open stay where they lead when the next ones lead elsewhere.

    silent: the first ones that lead nowhere, and hear nothing. came: all that came. refuses: on how many of the next
    ones it hangs up.
    """

    def __init__(self, server: Postgres | Redis, *, silent: int = 0) -> None:
        self.leads_to = server
        self.came: list[socket.socket] = []
        self.refuses = 0
        self._silent = silent
        self._listener = socket.create_server(("127.0.0.1", 0))
        port: int = self._listener.getsockname()[1]
        self.port = port
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # of the listener that was closed
            while True:
                here, _ = self._listener.accept()
                self.came.append(here)
                if len(self.came) <= self._silent:
                    continue
                if self.refuses:
                    self.refuses -= 1
                    here.close()
                    continue
                there = socket.create_connection(("127.0.0.1", self.leads_to.port))
                for one, other in ((here, there), (there, here)):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for each in (one, other):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Ends what is open."""
        for here in self.came:
            with contextlib.suppress(OSError):
                here.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
