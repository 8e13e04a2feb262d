# Who logs in to Redis, and with which password: two for each user while passwords change. Read by what starts a member and
# by what looks after it. /data/users.conf has the users as they hold now.

offered=/etc/vision-week/secrets/users.conf
current=/data/users.conf
generation=/etc/vision-week/serving/generation

# Takes over what the program says, unless that would end the password that the last whole roll-out gave to all pods.
take_users() {
    told=$(cat "$generation" 2> /dev/null || true)
    if [ -n "$told" ] && [ -e "$current" ] && ! grep -qE "^# generations:.* $told( |$)" "$offered"; then
        echo "other passwords wait while pods are at generation $told: secrets.generation goes up by one at a time" >&2
    elif ! cmp -s "$offered" "$current"; then
        (umask 077 && cat "$offered" > "$current.new")
        mv "$current.new" "$current"
    fi
}

# Tells them to the Redis that runs, where it doesn't know them yet. It goes on serving everybody meanwhile.
tell_users() {
    if cmp -s "$current" /run/redis/users.conf; then return; fi
    said=$(sed -n 's/^user \([^ ]*\) /ACL SETUSER \1 reset /p' "$current" | redis-cli -p "$port")
    if [ "$(echo "$said" | grep -cvx OK)" != 0 ]; then
        echo "Redis refuses a user: $said" >&2
        return 1
    fi
    (umask 077 && cat "$current" > /run/redis/users.conf)
}
