# Read by what starts Redis and Sentinel: who the members are, and which of them is primary. Addresses are those of the
# Services that each member has to itself: they stay when a pod goes, and no name has to be looked up in between.
# /etc/redis/members.env gives `addresses` ("redis-0=10.0.0.1 redis-1=10.0.0.2") and `quorum`.
. /etc/redis/members.env

password=$(cat /etc/vision-week/secrets/redis-password)
export REDISCLI_AUTH="$password"

address_of() {
    for member in $addresses; do
        if [ "${member%%=*}" = "$1" ]; then echo "${member#*=}"; fi
    done
}

own=$(address_of "$HOSTNAME")

# The primary as the other members' Sentinels see it; nothing if none of them answers.
named_by_others() {
    for member in $addresses; do
        if [ "${member#*=}" != "$own" ]; then
            timeout 2 redis-cli -h "${member#*=}" -p 26379 --raw sentinel get-master-addr-by-name vision-week |
                grep -E -m 1 '^[0-9.]+$' && return
        fi
    done || true
}

# Else the one that this member's own Sentinel remembers, else the first member: nobody has been primary yet.
primary() {
    named=$(named_by_others)
    if [ -z "$named" ] && [ -e /data/sentinel.conf ]; then
        named=$(sed -n 's/^sentinel monitor vision-week \([^ ]*\) .*/\1/p' /data/sentinel.conf)
    fi
    echo "${named:-$(address_of redis-0)}"
}
