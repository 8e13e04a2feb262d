"""PgBouncer's configuration: beside each member, in the same pod.

Clients come and go with every request; PostgreSQL would start a process for each. So they connect to the pooler, which
lends them connections that stay, cleaned in between. A client has one for itself as long as it likes: whatever works
without a pooler works with it. Because each member has its own, a fail-over leads clients to another pooler by the same
act as to another primary, and none is left that waits for a machine that is gone.

It knows clients by the verifiers that the database itself has, and holds no password. On to PostgreSQL it goes over the
pod's socket, as the client: the kernel says who it is.
"""

from components.patroni import POOLED_PORT, TLS
from components.settings import Postgres

USERS = "/etc/vision-week/roles/users.txt"
SOCKETS = "/run/postgresql"


def configuration(database: str, settings: Postgres, patience: int) -> str:
    """The whole of it. patience: seconds that a client waits for a connection while all are lent."""
    return f"""\
[databases]
{database} = host={SOCKETS}

[pgbouncer]
listen_addr = *
listen_port = {POOLED_PORT}
unix_socket_dir = {SOCKETS}
auth_type = scram-sha-256
auth_file = {USERS}
client_tls_sslmode = require
client_tls_cert_file = {TLS}/tls.crt
client_tls_key_file = {TLS}/tls.key
pool_mode = session
; It can't pass on what PGOPTIONS asks for; the role has it (`statement_timeout`).
ignore_startup_parameters = extra_float_digits,options
; Of one role, and of both while their passwords change.
default_pool_size = {settings.pooled_connections}
max_db_connections = {settings.pooled_connections}
; As many again may wait for one.
max_client_conn = {2 * settings.max_connections}
; Seconds, as all that follow.
query_wait_timeout = {patience}
; A PostgreSQL that starts is tried again at once.
server_login_retry = 1
; A client's machine that is gone holds no connection: as the application itself has it, and this one in milliseconds.
tcp_user_timeout = 5000
tcp_keepidle = 3
tcp_keepintvl = 1
tcp_keepcnt = 3
log_connections = 0
log_disconnections = 0
"""
