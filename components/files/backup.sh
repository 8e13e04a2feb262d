# What the jobs of the backups do: sh backup.sh begin | full | incr | check | verify
set -eu

case "$1" in
begin)
    # The repository learns which database it is for, and never takes another one's WAL after that. Without a first backup
    # the archive is of no use, and the first night may be far.
    pgbackrest stanza-create
    pgbackrest info --output=json | grep --quiet '"label"' || pgbackrest backup --type=full
    pgbackrest check
    ;;
full | incr)
    pgbackrest backup --type="$1"
    ;;
check)
    pgbackrest check
    ;;
verify)
    # It ends well whatever it finds, and says something only of what is damaged.
    found=$(pgbackrest verify)
    printf '%s\n' "$found"
    case "$found" in *"status: error"*) exit 1 ;; esac
    ;;
*)
    echo "backup.sh: begin, full, incr, check or verify, not $1" >&2
    exit 64
    ;;
esac
