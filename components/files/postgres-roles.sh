#!/bin/sh
# Keeps the roles of the database as the files say, beside a member of PostgreSQL. The primary's does it, and the replicas
# get it as they get everything. Files change while it runs: a new password needs no restart.
#
# LONGEST_ENDING: seconds that a client's pod may take to end. /tmp/alive is as old as the last time round, /tmp/kept as
# the last one that left nothing to do.
set -u

files=/etc/vision-week

sql() {
    psql --no-psqlrc --quiet --tuples-only --no-align --username=postgres --dbname=postgres "$@"
}

# The generation that the last whole roll-out gave to all clients; 0 before the first.
generation=$files/serving/generation
told() { if [ -e "$generation" ]; then cat "$generation"; else echo 0; fi; }

# The same once the last pod that used the one before has had time to end; 0 until then.
serving() {
    if [ -e "$generation" ] && [ $(($(date +%s) - $(stat --dereference --format=%Y "$generation"))) -ge "$LONGEST_ENDING" ]
    then
        cat "$generation"
    else
        echo 0
    fi
}

# Has the certificate and the pooler's users read again.
read_again() {
    sql --command='SELECT pg_reload_conf()' > /dev/null &&
        psql --no-psqlrc --quiet --port=6432 --username=pgbouncer --dbname=pgbouncer --command=RELOAD > /dev/null
}

trap 'exit 0' TERM
prepared=no
as_read=
while true; do
    # By the shell's own waiting, which a signal ends.
    sleep 4 &
    wait "$!"
    touch /tmp/alive
    pg_isready --quiet || continue
    current=$(cat "$files/tls/tls.crt" "$files/roles/users.txt" | sha256sum)
    if [ "$current" != "$as_read" ] && read_again; then
        as_read=$current
    fi
    recovering=$(sql --command='SELECT pg_is_in_recovery()') || continue
    if [ "$recovering" = t ]; then
        prepared=no
        touch /tmp/kept
        continue
    fi
    if [ "$prepared" = no ]; then
        sql --file="$files/roles.sql" > /dev/null || continue
        prepared=yes
    fi
    sql --set=told="$(told)" --set=serving="$(serving)" --file="$files/logins.sql" && touch /tmp/kept
done
