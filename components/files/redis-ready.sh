#!/bin/sh
# Whether this member is primary, or has all that its primary has. From then on it may become primary itself. And whether it
# knows the users as they hold now: what changes them is this.
set -eu
. /etc/redis/members.sh
. /etc/redis/users.sh

take_users
tell_users

state=$(here info replication)
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
