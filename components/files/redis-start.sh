#!/bin/sh
# Starts a member of Redis. What it runs on is a copy of its configuration, because Sentinel has Redis rewrite it; the
# shell itself puts the password in, so that it stands in no argument list.
set -eu
umask 077
. /etc/redis/members.sh
. /etc/redis/users.sh

# Whoever follows an empty primary is emptied. So a member whose data is gone doesn't become one: while the others take it
# for the primary, it waits until they have chosen another. Where nobody is named, the first member begins when all
# others have answered that they are empty too.
others_are_empty() {
    for other in $others; do
        if [ "$(ask "$other" dbsize)" != 0 ]; then return 1; fi
    done
}

may_start_empty() {
    named=$(named_by_others)
    if [ -z "$named" ] && [ "$own" = "$first" ]; then others_are_empty; else [ "$named" != "$own" ]; fi
}

# A dump alone doesn't count as data: with the append-only file switched on Redis starts without reading it. Nor does a
# file that was begun and never filled by a primary: see redis-ready.sh.
priority=100
if [ ! -e /data/joined ] || [ ! -e /data/appendonlydir/appendonly.aof.manifest ]; then
    rm -f /data/joined
    until may_start_empty; do
        echo "no data here: waiting for another primary, or for all others to say that they have none"
        sleep 1
    done
    priority=0
fi

take_users
cat "$current" > /run/redis/users.conf
primary=$(primary)
{
    cat /etc/redis/redis.conf "$current"
    echo "requirepass $password"
    echo "masterauth $password"
    echo "replica-announce-ip $own"
    # 0: Sentinel doesn't choose it while it has not copied a primary.
    echo "replica-priority $priority"
    if [ "$primary" != "$own" ]; then echo "replicaof $primary $port"; fi
} > /run/redis/redis.conf
unset REDISCLI_AUTH
exec redis-server /run/redis/redis.conf
