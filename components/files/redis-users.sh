# Who logs in to Redis, and with which password: two for each user while passwords change. Read by what starts a member and
# by what looks after it. /data/users.conf has the users as they hold now.
#
# LONGEST_ENDING: seconds that a client's pod may take to end.

offered=/etc/vision-week/secrets/users.conf
current=/data/users.conf
# The generation that the last whole roll-out gave to all pods, and since when.
generation=/etc/vision-week/serving/generation

# Whether this file of users knows a generation's passwords.
knows() { grep -qE "^# generations:.* $2( |$)" "$1"; }

# Whether everybody still has a password that is valid, if these users take the place of the present ones: nothing ends,
# or what ends is not what pods have, nor what those had that may be answering their last requests.
leave_nobody_out() {
    ends=
    for known in $(sed -n 's/^# generations: //p' "$current"); do
        knows "$1" "$known" || ends=yes
    done
    if [ -z "$ends" ] || [ ! -e "$generation" ]; then return; fi
    told=$(cat "$generation")
    if ! knows "$1" "$told"; then
        echo "other passwords wait while pods are at generation $told: secrets.generation goes up by one at a time" >&2
        return 1
    fi
    [ $(($(date +%s) - $(stat --dereference --format=%Y "$generation"))) -ge "$LONGEST_ENDING" ]
}

# Takes over what the program says, as soon as it takes nobody's password.
take_users() {
    if cmp -s "$offered" "$current"; then return; fi
    (umask 077 && cat "$offered" > "$current.new")
    if [ ! -e "$current" ] || leave_nobody_out "$current.new"; then mv "$current.new" "$current"; fi
}

# Tells them to the Redis that runs, where it doesn't know them yet. It goes on serving everybody meanwhile.
tell_users() {
    if cmp -s "$current" /run/redis/users.conf; then return; fi
    said=$(sed -n 's/^user \([^ ]*\) /ACL SETUSER \1 reset /p' "$current" | cli -p "$port")
    if [ "$(echo "$said" | grep -cvx OK)" != 0 ]; then
        echo "Redis refuses a user: $said" >&2
        return 1
    fi
    (umask 077 && cat "$current" > /run/redis/users.conf)
}
