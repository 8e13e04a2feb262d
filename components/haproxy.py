"""HAProxy beside each member of Redis: whichever of them a client reaches leads it to the primary.

Each asks every member what it is, twice a second and more often where it matters. Nobody has to look a name up, or to
hear from the API server, while another primary takes over: members are known by the addresses that outlive their pods.
"""

from collections.abc import Mapping

PORT = 6379
HEALTH_PORT = 8404
# What is kept of its 650 numbers.
COUNTED = (
    "haproxy_frontend_(current_sessions|(connections|bytes_in|bytes_out)_total)"
    "|haproxy_server_(status|check_duration_seconds)"
)
# Who its checks log in as.
USER = "haproxy"
# What a connection takes: two buffers of 16 KiB and some (HAProxy's tune.bufsize).
_CONNECTION_KIB = 40
# What HAProxy takes by itself.
_OWN_MIB = 24


def connections(memory: int) -> int:
    """How many fit a container of so many MiB."""
    return (memory - _OWN_MIB) * 1024 // _CONNECTION_KIB


def memory(connections: int) -> int:
    """MiB that a container needs for so many."""
    return _OWN_MIB + -(-connections * _CONNECTION_KIB // 1024)


def configuration(members: Mapping[str, str], *, port: int, shown: str, password: str, connections: int) -> str:
    """Its configuration, with the password that its checks give. members: name -> address. shown: the name in their
    certificate, which the authority in ca.crt beside this file signed."""
    # A primary whose replicas confirm comes first: one that was frozen, and is back without knowing that another took
    # its place, has none. Five checks in a row, so that its last look at them, a second old, doesn't count.
    # Else whoever says it is primary: it has just become it, or is the last that is left, and may be read.
    replicated = _backend(
        "replicated", members, port, shown, password, says=r"role:master[\s\S]*min_slaves_good_slaves:[1-9]", rise=5
    )
    alone = _backend("alone", members, port, shown, password, says="role:master", rise=1)
    return f"""\
global
    # What fits the memory limit.
    maxconn {connections}
    # One core's worth: Redis has one as well.
    nbthread 1
    # Connections that clients keep don't hold its end up.
    hard-stop-after 5s

defaults
    mode tcp
    # A packet that is lost is sent again after a second; a member that takes longer to accept is gone.
    timeout connect 2s
    # A member that accepts at once and answers late is busy, not gone: Sentinel waits for it, too.
    timeout check 2s
    # HAProxy would try the same member again, after a second. Who is refused comes again sooner, and is led elsewhere.
    retries 0
    # Clients keep connections; those of a machine that is gone are found by TCP's own probes.
    timeout client 1h
    timeout server 1h
    option clitcpka
    option srvtcpka

frontend redis
    bind :{PORT}
    use_backend replicated if {{ nbsrv(replicated) gt 0 }}
    default_backend alone

{replicated}
{alone}
# For the kubelet: alive, and ready where a primary is seen. For Prometheus: what each member was found to be.
frontend health
    mode http
    bind :{HEALTH_PORT}
    timeout client 5s
    timeout http-request 5s
    http-request return status 200 if {{ path /live }}
    http-request use-service prometheus-exporter if {{ path /metrics }}
    http-request return status 503 if {{ nbsrv(alone) eq 0 }}
    http-request return status 200 if {{ path /ready }}
    http-request return status 404
"""


def _backend(
    name: str, members: Mapping[str, str], port: int, shown: str, password: str, *, says: str, rise: int
) -> str:
    servers = "".join(f"    server {member} {address}:{port}\n" for member, address in members.items())
    # All in one, with a goodbye: the answer is whole when the member hangs up, and what it lacks isn't waited for.
    return f"""\
backend {name}
    option tcp-check
    tcp-check send "AUTH {USER} {password}\\r\\nINFO replication\\r\\nQUIT\\r\\n"
    tcp-check expect rstring "{says}"
    # Only the checks speak TLS here: what clients say is passed on as it is. `inter` is also what a member has for
    # TCP's and TLS' handshakes, and half a second is what a busy one needs; so who isn't primary is asked more often
    # (a fail-over as planned takes less than a second), and a third failure, a tenth of a second after each other, is
    # believed. Whoever is connected to a primary that is none any more is to come again.
    default-server check inter 500ms fastinter 100ms downinter 250ms rise {rise} fall 3 on-marked-down shutdown-sessions
    default-server check-ssl verify required ca-file /etc/haproxy/ca.crt verifyhost {shown}
{servers}"""
