#!/bin/sh
# Whether this member is primary, or has all that its primary has. From then on it may become primary itself. And whether it
# knows the users as they hold now: what changes them is this.
set -eu
. /etc/redis/members.sh
. /etc/redis/users.sh

take_users
tell_users

state=$(here info replication)
# Who came while another took over may copy one that is primary no more, and no Sentinel knows of it: they hear of
# replicas from the primary.
followed=$(echo "$state" | sed -n 's/^master_host://p')
named=$(cli -p "$sentinel_port" --raw sentinel get-master-addr-by-name vision-week | head -n 1)
if [ -n "$followed" ] && [ "${named:-$followed}" != "$followed" ] &&
    [ "$(role_of "$followed")" = slave ] && [ "$(role_of "$named")" = master ]; then
    here replicaof "$named" "$port" > /dev/null
fi
case $state in
    *role:master* | *master_link_status:up*) ;;
    *)
        echo "neither primary nor in step with it: $state"
        exit 1
        ;;
esac
if [ ! -e /data/joined ]; then
    [ "$(here config set replica-priority 100)" = OK ]
    : > /data/joined
fi
