#!/bin/sh
# Serves a member's files to the jobs that make backups, beside the member, and reads its certificate again as it changes.
set -eu

certificate=/etc/pgbackrest/tls/tls.crt

pgbackrest server &
server=$!
trap 'kill -TERM "$server"' TERM INT
current=$(sha256sum "$certificate")
while kill -0 "$server" 2> /dev/null; do
    # By the shell's own waiting, which a signal ends.
    sleep 10 &
    wait "$!" || true
    latest=$(sha256sum "$certificate")
    if [ "$latest" != "$current" ]; then
        kill -HUP "$server"
        current=$latest
    fi
done
wait "$server"
