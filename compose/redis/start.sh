#!/bin/sh
# Starts Redis on a copy of its configuration, to which the shell itself adds the password: it stands in no argument list.
set -eu
umask 077
{
    cat /etc/vision-week/redis.conf
    printf 'requirepass %s\n' "$(cat /etc/vision-week/secrets/redis-password)"
} > /run/redis/redis.conf
exec redis-server /run/redis/redis.conf
