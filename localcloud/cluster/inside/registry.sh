#!/bin/sh
# Starts the registry's two programs over one store: one to read, one to write with the password.
set -eu
htpasswd -niB vision-week < /etc/vision-week/password > /run/htpasswd
exec python3 /etc/vision-week/supervise.py /etc/vision-week/programs.json
