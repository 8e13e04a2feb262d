#!/bin/sh
# Restores all that was archived beside, as `restore.sh` does it, and sees whether it is all there and whole: as far as the
# archive goes, each page and row of each table, each row in each of its indexes. Says how many rows there are. It ends well
# only if nothing is wrong.
set -eu

sql() {
    psql --no-psqlrc --quiet --tuples-only --no-align --command="$1" postgres
}

. "${0%/*}/reached.sh"
archived=$(pgbackrest info --output=json --log-level-console=off \
    | python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["archive"][-1]["max"][8:])' 2> /dev/null) || {
    echo "Nothing is archived, or it can't be read: 'pgbackrest info' says which." >&2
    exit 1
}

sh "$(dirname "$0")/restore.sh" --type=default &
restoring=$!
trap '{ kill -TERM "$restoring" && wait "$restoring"; } 2> /dev/null || true' EXIT
trap 'exit 143' TERM INT
until [ -e /tmp/restored ]; do
    kill -0 "$restoring" 2> /dev/null || exit 1
    sleep 1
done

# Of the names of segments of WAL, without their timeline. Where one is missing, a restore ends without a word.
reached=$(sql 'SELECT substr(pg_walfile_name(pg_last_wal_replay_lsn()), 9)')
if [ "$(sql "SELECT '$reached' >= '$archived'")" != t ]; then
    echo "Only WAL up to $reached was restored, and $archived is archived: what is between can't be had." >&2
    exit 1
fi
pg_amcheck --all --install-missing --heapallindexed --parent-check
psql --no-psqlrc --quiet --dbname=vision_week << 'SQL'
SELECT relid::regclass AS "table",
    (xpath('//rows/text()', query_to_xml('SELECT count(*) AS rows FROM ' || relid::regclass, true, true, '')))[1] AS rows
FROM pg_stat_user_tables
ORDER BY 1;
SQL
echo "All of it is there and whole. The last of it was written at $(sql 'SELECT pg_last_xact_replay_timestamp()')."
