#!/bin/sh
# Starts a member of Redis. What it runs on is a copy of its configuration, because Sentinel has Redis rewrite it; the
# shell itself puts the password in, so that it stands in no argument list.
set -eu
umask 077
. /etc/redis/members.sh

# A member whose data is gone, but which the others still take for the primary, would wipe theirs: it waits until they
# have chosen another. A dump alone doesn't count: with the append-only file switched on Redis starts without reading it.
if [ ! -e /data/appendonlydir/appendonly.aof.manifest ]; then
    while [ "$(named_by_others)" = "$own" ]; do
        echo "no data here, and still named primary: waiting for another one"
        sleep 1
    done
fi

primary=$(primary)
{
    cat /etc/redis/redis.conf
    echo "requirepass $password"
    echo "masterauth $password"
    echo "replica-announce-ip $own"
    if [ "$primary" != "$own" ]; then echo "replicaof $primary 6379"; fi
} > /run/redis/redis.conf
unset REDISCLI_AUTH
exec redis-server /run/redis/redis.conf
