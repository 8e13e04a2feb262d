#!/bin/sh
# Starts the Sentinel beside a member. It keeps its configuration on the member's volume, where it writes down who is
# primary. Its identity comes from the pod's name, so that the others know it again.
set -eu
umask 077
. /etc/redis/members.sh

primary=$(primary)
{
    cat /etc/redis/sentinel.conf
    echo "requirepass $password"
    echo "sentinel sentinel-pass $password"
    echo "sentinel myid $(echo "$HOSTNAME" | sha1sum | cut -d ' ' -f 1)"
    echo "sentinel announce-ip $own"
    echo "sentinel monitor vision-week $primary 6379 $quorum"
    echo "sentinel auth-pass vision-week $password"
    # 5 s: longer than a slow write to disk blocks Redis, short enough to have another primary within 10 s.
    echo "sentinel down-after-milliseconds vision-week 5000"
    echo "sentinel failover-timeout vision-week 30000"
    echo "sentinel parallel-syncs vision-week 1"
} > /data/sentinel.conf.new
mv /data/sentinel.conf.new /data/sentinel.conf

# While this member's Service has no endpoint yet, kube-proxy refuses by ICMP, and Linux keeps that in the error queue of a
# connection which succeeds a second later. Sentinel never reads that queue, and would spin over it for as long as the
# connection lasts.
tries=30
while [ "$tries" -gt 0 ] && ! timeout 1 redis-cli -h "$own" ping > /dev/null 2>&1; do
    tries=$((tries - 1))
    sleep 1
done
unset REDISCLI_AUTH
exec redis-sentinel /data/sentinel.conf
