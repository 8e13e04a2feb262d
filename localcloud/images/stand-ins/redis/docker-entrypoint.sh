#!/bin/sh
# What the official image's entry point does: options and configuration files alone mean redis-server, root steps down
# to the user redis, and files are private to the user unless the container says otherwise.
set -e

if [ "${1#-}" != "$1" ] || [ "${1%.conf}" != "$1" ]; then
    set -- redis-server "$@"
fi

if [ "$(id -u)" = 0 ]; then
    case "$1" in
        redis-server | redis-sentinel)
            find . \! -user redis -exec chown redis {} +
            exec setpriv --reuid redis --regid redis --init-groups "$0" "$@"
            ;;
    esac
fi

if [ "$(umask)" = 0022 ]; then
    umask 0077
fi

# Debian's build refuses clients from outside while no password is set, the official one does not. Set where neither the
# arguments nor the configuration file speak of it.
if [ "$1" = redis-server ] && ! printf '%s\n' "$@" | grep -qe protected-mode; then
    if [ ! -f "$2" ] || ! grep -q '^[[:space:]]*protected-mode' "$2"; then
        set -- "$@" --protected-mode no
    fi
fi

exec "$@"
