#!/bin/sh
# Runs before a member is stopped: a primary hands over first, so that writes pause for less than a second, and none that
# was acknowledged is lost. Sentinel alone would leave it primary for seconds beside the new one.
set -eu
. /etc/redis/members.sh

if [ -z "$others" ] || [ "$(role_of 127.0.0.1)" != master ]; then exit 0; fi

# Every replica that is connected has all: Sentinel may choose any.
in_step() {
    here info replication | awk -F '[:,=]' '
        /^slave[0-9]/ { for (i = 1; i < NF; i++) if ($i == "offset") at[++replicas] = $(i + 1) }
        /^master_repl_offset/ { offset = $2 }
        END { for (i in at) if (at[i] != offset) exit 1; exit replicas == 0 }'
}

# Tries so many times, 50 ms apart.
within() {
    tries=$1
    shift
    until "$@"; do
        tries=$((tries - 1))
        if [ "$tries" -le 0 ]; then return 1; fi
        sleep 0.05
    done
}

# One of the others says that it is primary.
promoted() {
    for other in $others; do
        if [ "$(role_of "$other")" = master ]; then new=$other && return; fi
    done
    return 1
}

fail_over() { timeout 2 redis-cli -p "$sentinel_port" --raw sentinel failover vision-week 2> /dev/null | grep -q '^OK'; }

give_up() {
    here client unpause > /dev/null
    echo "$1: the others will find out by themselves"
    exit 0
}

# Reads go on. Longer than what follows takes; it ends with this member if not before.
here client pause 10000 write > /dev/null
within 40 in_step || give_up "no replica is in step"
within 20 fail_over || give_up "Sentinel chooses nobody"
within 60 promoted || give_up "nobody was promoted"
here replicaof "$new" "$port" > /dev/null
# Whoever waits here to write comes again, and is led to the new primary.
here client kill type normal > /dev/null
here client unpause > /dev/null
