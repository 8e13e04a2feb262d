# Read by what starts and stops Redis and Sentinel: who the members are, and which of them is primary. Addresses are those
# of the Services that each member has to itself: they stay when a pod goes, and no name has to be looked up in between.
# /etc/redis/members.env gives `addresses` ("redis-0=10.0.0.1 redis-1=10.0.0.2") and `quorum`.
. /etc/redis/members.env

port=6380
sentinel_port=26379
password=$(cat /etc/vision-week/secrets/redis-password)
export REDISCLI_AUTH="$password"

address_of() {
    for member in $addresses; do
        if [ "${member%%=*}" = "$1" ]; then echo "${member#*=}"; fi
    done
}

own=$(address_of "$HOSTNAME")
first=$(address_of redis-0)
others=$(for member in $addresses; do if [ "${member#*=}" != "$own" ]; then echo "${member#*=}"; fi; done)

# Whoever answers shows a certificate that our authority signed.
tls="--tls --cacert /etc/vision-week/secrets/ca.crt"
cli() { timeout 2 redis-cli $tls "$@" 2> /dev/null; }

# Asks the Redis at an address; the one here without one.
ask() { cli -h "$1" -p "$port" --raw "$2" ${3+"$3"} ${4+"$4"} ${5+"$5"} | tr -d '\r'; }
here() { ask 127.0.0.1 "$@"; }

role_of() { ask "$1" info replication | sed -n 's/^role://p'; }

# The primary as the other members' Sentinels see it; nothing if none of them answers.
named_by_others() {
    for other in $others; do
        cli -h "$other" -p "$sentinel_port" --raw sentinel get-master-addr-by-name vision-week |
            grep -E -m 1 '^[0-9.]+$' && return
    done || true
}

# Else the one that this member's own Sentinel remembers, else the first member: nobody has been primary yet.
primary() {
    named=$(named_by_others)
    if [ -z "$named" ] && [ -e /data/joined ] && [ -e /data/sentinel.conf ]; then
        named=$(sed -n 's/^sentinel monitor vision-week \([^ ]*\) .*/\1/p' /data/sentinel.conf)
    fi
    # An address that a member has no more is nobody's.
    case " $addresses " in
        *"=${named:-nobody} "*) echo "$named" ;;
        *) echo "$first" ;;
    esac
}
