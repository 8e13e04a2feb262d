#!/bin/sh
# Restores a backup beside the database, and serves it over the pod's own socket until the pod is removed:
# sh restore.sh OPTIONS, those of `pgbackrest restore`. /tmp/restored is there when it is as far as it was asked for.
set -eu

data=/var/lib/postgresql/data/pgdata

fail() {
    echo "Nothing was restored, and nothing but this pod was touched: $1" >&2
    exit 1
}

. "${0%/*}/reached.sh"
mkdir -p -m 0700 "$data"
began=$(date +%s)
pgbackrest restore "$@" || fail "pgBackRest has said above what is wrong"
echo "$(du -sm "$data" | cut -f1) MiB restored in $(($(date +%s) - began)) s"

# As the members have it, but for what would need their memory, their certificate or their archive. Without connections
# before it is there, it needs no more room for them than it has.
postgres -D "$data" \
    -c archive_mode=off \
    -c hot_standby=off \
    -c listen_addresses= \
    -c maintenance_work_mem=16MB \
    -c shared_buffers=32MB \
    -c ssl=off \
    -c synchronous_standby_names= \
    -c unix_socket_directories=/run/postgresql &
server=$!
trap 'kill -INT "$server"' TERM INT
until [ "$(psql --no-psqlrc --tuples-only --no-align --command='SELECT pg_is_in_recovery()' postgres 2> /dev/null)" = f ]; do
    kill -0 "$server" 2> /dev/null || fail "PostgreSQL has said above why it does not get there"
    sleep 1
done
echo "All of it took $(($(date +%s) - began)) s"
touch /tmp/restored
wait "$server"
