"""Tells Prometheus what PgBouncer counts: who waits for a connection, how many are lent, how long queries take.

pooler-exporter.py PORT FILES: of the pooler beside it, which is asked over the pod's socket at each look. Who runs as
the pooler's own user may ask it everything there, without a password. It answers under TLS alone, with the certificate
that lies in FILES (tls.crt, tls.key) at that moment. The numbers have the names that the Prometheus community's own
exporter gives them; no package of Debian has that one, and the one that Debian has asks for what PgBouncer told until
version 1.7.
"""

import signal
import socket
import ssl
import sys
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

_POOLER = "host=/run/postgresql port=6432 user=pgbouncer dbname=pgbouncer connect_timeout=5"
_SECOND = 1_000_000  # in PgBouncer's own unit

Row = Mapping[str, Any]


def series(pools: list[Row], stats: list[Row], databases: list[Row], config: list[Row]) -> Iterator[str]:
    """What it answered to SHOW POOLS, STATS, DATABASES and CONFIG, as lines; its own console is no database."""
    for row in _of_databases(pools, "database"):
        labels = f'{{database="{row["database"]}",user="{row["user"]}"}}'
        yield f"pgbouncer_pools_client_active_connections{labels} {row['cl_active']}"
        yield f"pgbouncer_pools_client_waiting_connections{labels} {row['cl_waiting']}"
        yield f"pgbouncer_pools_server_active_connections{labels} {row['sv_active']}"
        yield f"pgbouncer_pools_server_idle_connections{labels} {row['sv_idle']}"
        yield f"pgbouncer_pools_client_maxwait_seconds{labels} {row['maxwait'] + row['maxwait_us'] / _SECOND:g}"
    for row in _of_databases(stats, "database"):
        labels = f'{{database="{row["database"]}"}}'
        yield f"pgbouncer_stats_sql_transactions_pooled_total{labels} {row['total_xact_count']}"
        yield f"pgbouncer_stats_queries_pooled_total{labels} {row['total_query_count']}"
        yield f"pgbouncer_stats_queries_duration_seconds_total{labels} {row['total_query_time'] / _SECOND}"
        yield f"pgbouncer_stats_client_wait_seconds_total{labels} {row['total_wait_time'] / _SECOND}"
    for row in _of_databases(databases, "name"):
        labels = f'{{database="{row["name"]}"}}'
        yield f"pgbouncer_databases_current_connections{labels} {row['current_connections']}"
        yield f"pgbouncer_databases_max_connections{labels} {row['max_connections']}"
    (clients,) = (row["value"] for row in config if row["key"] == "max_client_conn")
    yield f"pgbouncer_config_max_client_connections {clients}"


def _of_databases(rows: list[Row], key: str) -> Iterator[Row]:
    return (row for row in rows if row[key] != "pgbouncer")


def _asked() -> Iterator[str]:
    # It takes plain questions alone: without parameters, and outside of transactions.
    with psycopg.connect(_POOLER, autocommit=True, row_factory=dict_row) as pooler:
        yield from series(
            *(pooler.execute(f"SHOW {what}").fetchall() for what in ("POOLS", "STATS", "DATABASES", "CONFIG"))
        )


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """To Prometheus, and to the kubelet, which asks whether this lives and not whether the pooler does."""
        text = "".join(f"{line}\n" for line in self._lines())
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(text.encode())

    def _lines(self) -> list[str]:
        if self.path != "/metrics":
            return []
        try:
            return ["pgbouncer_up 1", *_asked()]
        except psycopg.Error as error:
            self.log_error("The pooler can't be asked: %s", error)
            return ["pgbouncer_up 0"]

    def log_request(self, *_: object) -> None:
        """Nothing of what went well."""


class _Server(ThreadingHTTPServer):
    """Under TLS; a certificate that was renewed is shown to whoever comes next."""

    def __init__(self, port: int, files: Path) -> None:
        super().__init__(("", port), _Answers)
        self._files = files

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._files / "tls.crt", self._files / "tls.key")
        # Hands are shaken in a thread of its own, and not for ever: who says nothing keeps nobody else waiting.
        connection.settimeout(10)
        return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address


if __name__ == "__main__":
    # The first process of a container isn't ended by a signal that it doesn't take, and its pod would wait for it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    _Server(int(sys.argv[1]), Path(sys.argv[2])).serve_forever()
