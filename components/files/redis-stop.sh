#!/bin/sh
# Runs before a member is stopped: a primary hands over first, so that writes pause for less than a second, and none that
# was acknowledged is lost. Sentinel alone would leave it primary for seconds beside the new one.
set -eu
. /etc/redis/members.sh

if [ -z "$others" ] || [ "$(role_of 127.0.0.1)" != master ]; then exit 0; fi

# Every replica that is connected has all: Sentinel may choose any. They are asked themselves, since the primary hears of
# it only once a second.
in_step() {
    state=$(here info replication)
    replicas=$(echo "$state" | sed -n 's/^slave[0-9]*:ip=\([^,]*\),.*/\1/p')
    offset=$(echo "$state" | sed -n 's/^master_repl_offset://p')
    for replica in $replicas; do
        if [ "$(ask "$replica" info replication | sed -n 's/^slave_repl_offset://p')" != "$offset" ]; then return 1; fi
    done
    [ -n "$replicas" ]
}

# Tries for so many seconds, 50 ms apart; whoever is asked last and doesn't answer takes 2 s more.
within() {
    end=$(($(date +%s) + $1))
    shift
    until "$@"; do
        if [ "$(date +%s)" -ge "$end" ]; then return 1; fi
        sleep 0.05
    done
}

# One of them says that it is primary.
promoted() {
    for replica in $replicas; do
        if [ "$(role_of "$replica")" = master ]; then new=$replica && return; fi
    done
    return 1
}

# Everybody has heard: the other Sentinels name the new primary, and all copy it. The Sentinel here tells them, which takes
# it two or three seconds, and goes with this member. Without it the others would miss the old primary and choose once
# more, and a primary that nobody copies refuses writes.
settled() {
    for other in $others; do
        named=$(cli -h "$other" -p "$sentinel_port" --raw sentinel get-master-addr-by-name vision-week | head -n 1)
        if [ -n "$named" ] && [ "$named" != "$new" ]; then return 1; fi
    done
    good=$(ask "$new" info replication | sed -n 's/^min_slaves_good_slaves://p')
    [ "${good:-0}" -ge "$(echo "$replicas" | wc -w)" ]
}

fail_over() { cli -p "$sentinel_port" --raw sentinel failover vision-week | grep -q '^OK'; }

give_up() {
    here client unpause > /dev/null
    echo "$1: the others will find out by themselves"
    exit 0
}

# HAProxy's checks fail from now on: when another is primary it leads nobody here any more. It hears the truth again when
# this ends, however it does.
trap 'here acl setuser haproxy on > /dev/null' EXIT
here acl setuser haproxy off > /dev/null
# Reads go on. Longer than what follows takes; it ends with this member if not before.
here client pause 20000 write > /dev/null
within 3 in_step || give_up "no replica is in step"
within 2 fail_over || give_up "Sentinel chooses nobody"
within 4 promoted || give_up "nobody was promoted"
here replicaof "$new" "$port" > /dev/null
# Whoever waits here to write comes again, and is led to the new primary.
here client kill type normal > /dev/null
here client unpause > /dev/null
within 10 settled || echo "not everybody has heard of $new: the others will find out by themselves"
