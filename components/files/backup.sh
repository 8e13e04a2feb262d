#!/bin/sh
# What the jobs of the backups do: sh backup.sh begin | adopt | full | incr | check | verify
set -eu

said=$(mktemp)
trap 'rm -f "$said"' EXIT

# Its own words, and ours where they would mislead: what another passphrase makes of a file looks like a broken one.
run() {
    status=0
    pgbackrest "$@" > "$said" 2>&1 || status=$?
    cat "$said"
    if grep --quiet --text 'FormatError\|CryptoError\|No usable .*info file' "$said"; then
        echo "The repository can't be read: it was encrypted with another passphrase, or is damaged. Nothing in it was changed." >&2
    fi
    return "$status"
}

# Says "before" where the newest WAL is of another timeline than the end of the latest backup. Where there is no backup,
# that is for `begin`.
latest_backup() {
    pgbackrest info --output=json --log-level-console=off | python3 -c '
import json, sys
(stanza,) = json.load(sys.stdin)
backups, newest = stanza["backup"], stanza["archive"][-1]["max"]
if backups and newest[:8] != backups[-1]["archive"]["stop"][:8]:
    print("before")'
}

. "${0%/*}/reached.sh"
case "$1" in
begin)
    # The repository learns which database it is for, and never takes another one's WAL after that. Without a first backup
    # the archive is of no use, and the first night may be far.
    run stanza-create
    pgbackrest info --output=json | grep --quiet '"label"' || run backup --type=full
    run check
    ;;
adopt)
    # A database that was restored from the repository into another cluster carries on where that one ended.
    run stanza-upgrade
    run backup --type=full
    run check
    ;;
full | incr)
    run backup --type="$1"
    ;;
check)
    run check
    # A member that takes over never archives what the one before had finished and not yet handed over: it takes what was
    # streamed to it for archived (https://github.com/pgbackrest/pgbackrest/issues/626). A restore ends where a segment is
    # missing, unless it begins with a backup from after it.
    backed_up=$(latest_backup)
    if [ "$backed_up" = before ]; then
        echo "Another member has taken over since the latest backup. WAL of the one before may be missing, so a backup is taken."
        status=0
        run backup --type=incr || status=$?
        # It may be of the time before. Then the next check finds that.
        if [ "$status" -ne 0 ] && grep --quiet --text 'unable to acquire lock' "$said"; then
            echo "Another backup runs. The next check looks again."
            exit 0
        fi
        exit "$status"
    fi
    ;;
verify)
    # It ends well whatever it finds, and says something only of what is damaged.
    run verify
    if grep --quiet --text 'status: error' "$said"; then exit 1; fi
    ;;
*)
    echo "backup.sh: begin, adopt, full, incr, check or verify, not $1" >&2
    exit 64
    ;;
esac
