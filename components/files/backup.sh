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
