#!/bin/sh
# Starts the Sentinel beside a member. It keeps its configuration on the member's volume, where it writes down who is
# primary. Its identity comes from the pod's name, so that the others know it again.
set -eu
umask 077
. /etc/redis/members.sh

# A Sentinel that spoke before its member has found its place would name a primary by hearsay, perhaps one that waits for
# another to be named.
until [ -e /data/joined ] && [ "$(here ping)" = PONG ]; do sleep 0.5; done

primary=$(primary)
# The votes that it gave, so that it gives none twice, and who was there, so that those who are left can choose another
# primary where this one doesn't come back. What it knew of a former primary it learns anew from the others.
remembered=
if grep -q "^sentinel monitor vision-week $primary " /data/sentinel.conf 2> /dev/null; then
    remembered=$(grep -E '^sentinel (current-epoch|(config-epoch|leader-epoch|known-replica|known-sentinel) )' \
        /data/sentinel.conf || true)
fi
{
    cat /etc/redis/sentinel.conf
    echo "requirepass $password"
    echo "sentinel sentinel-pass $password"
    echo "sentinel myid $(echo "$HOSTNAME" | sha1sum | cut -d ' ' -f 1)"
    echo "sentinel announce-ip $own"
    echo "sentinel monitor vision-week $primary $port $quorum"
    echo "sentinel auth-pass vision-week $password"
    # 3 s: longer than a slow write to disk blocks Redis, short enough to have another primary within 7 s; and a majority
    # must agree.
    echo "sentinel down-after-milliseconds vision-week 3000"
    # Where the Sentinels' votes are split they try again after twice this.
    echo "sentinel failover-timeout vision-week 6000"
    # One replica after the other copies the new primary: the other one can be read.
    echo "sentinel parallel-syncs vision-week 1"
    echo "$remembered"
} > /data/sentinel.conf.new
mv /data/sentinel.conf.new /data/sentinel.conf

# While this member's Service has no endpoint yet, kube-proxy refuses by ICMP, and Linux keeps that in the error queue of a
# connection which succeeds a second later. Sentinel never reads that queue, and would spin over it for as long as the
# connection lasts.
tries=30
while [ "$tries" -gt 0 ] && [ "$(ask "$own" ping)" != PONG ]; do
    tries=$((tries - 1))
    sleep 1
done
unset REDISCLI_AUTH
exec redis-sentinel /data/sentinel.conf
