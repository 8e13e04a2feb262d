#!/bin/sh
# Runs what /docker-entrypoint.d holds before nginx starts, as the real image does; that one ships scripts there (templates
# by envsubst, listening on IPv6), this one ships none.
set -e

if [ "$1" = nginx ] && [ -d /docker-entrypoint.d ]; then
    for script in /docker-entrypoint.d/*.sh; do
        if [ -x "$script" ]; then
            "$script"
        fi
    done
fi

exec "$@"
