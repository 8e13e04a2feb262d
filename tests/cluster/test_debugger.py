"""Xdebug in a pod connects to an editor on this machine, where the development stack says that one waits (S10.1)."""

import re
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.cluster.stack import Stack

pytestmark = pytest.mark.cluster

# In the query the API would refuse it.
TRIGGER = {"Cookie": "XDEBUG_TRIGGER=1"}


@pytest.fixture
def editor(stack: Stack) -> Iterator[socket.socket]:
    """Listens as an editor does, and speaks as much DBGp as lets PHP go on."""
    host, port = stack.settings["config"]["vision-week:app"]["debugger"].split(":")
    with socket.create_server((host, int(port))) as listening:
        listening.settimeout(60)
        yield listening


def test_the_debugger_connects_to_the_engineer_s_machine(client: httpx.Client, editor: socket.socket) -> None:
    with ThreadPoolExecutor() as browser:
        asked = browser.submit(client.get, "/api/exhibits", headers=TRIGGER)
        connection, _ = editor.accept()
        with connection:
            greeting = received(connection)
            connection.sendall(b"detach -i 1\0")
            assert asked.result(timeout=60).status_code == 200
    assert re.search(rb'<init [^>]*fileuri="file:///var/www/html/public/index.php"', greeting)
    assert b'language="PHP"' in greeting


@pytest.mark.usefixtures("editor")
def test_who_does_not_ask_for_the_debugger_waits_for_none(client: httpx.Client) -> None:
    """Nobody accepts here: what connected would wait."""
    assert client.get("/api/exhibits", timeout=5).status_code == 200


def test_without_an_editor_the_request_is_answered_all_the_same(client: httpx.Client) -> None:
    assert client.get("/api/exhibits", headers=TRIGGER, timeout=5).status_code == 200


def received(connection: socket.socket) -> bytes:
    """One packet of DBGp: its length, a zero, so many bytes, a zero."""
    connection.settimeout(30)
    packet = b""
    while packet.count(b"\0") < 2:
        packet += connection.recv(65536)
    return packet.split(b"\0")[1]
