#!/bin/sh
# Starts one PostgreSQL, its files made first where there are none: beside their place, so that a start that was
# interrupted begins again.
set -eu
umask 077

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    fresh="$PGDATA.new"
    rm -rf "$fresh"
    initdb --pgdata="$fresh" --username=postgres --encoding=UTF8 --locale=C.UTF-8 --data-checksums \
        --auth-local=peer --auth-host=reject > /dev/null
    pg_ctl --pgdata="$fresh" --options="-c listen_addresses=''" --wait start
    psql --no-psqlrc --quiet --dbname=postgres --file=/etc/vision-week/roles.sql --file=/etc/vision-week/logins.sql
    pg_ctl --pgdata="$fresh" --wait --mode=fast stop
    mv "$fresh" "$PGDATA"
fi

exec postgres \
    -c listen_addresses='*' \
    -c unix_socket_directories=/run/postgresql \
    -c hba_file=/etc/vision-week/pg_hba.conf \
    -c ssl=on \
    -c ssl_cert_file=/etc/vision-week/secrets/tls.crt \
    -c ssl_key_file=/etc/vision-week/secrets/tls.key \
    -c password_encryption=scram-sha-256 \
    -c max_connections=50 \
    -c shared_buffers=128MB \
    -c log_checkpoints=on \
    -c log_lock_waits=on \
    -c log_min_duration_statement=1s
