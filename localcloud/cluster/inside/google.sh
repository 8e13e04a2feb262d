#!/bin/sh
# Takes the addresses that pods have for Google, leads answers to the pods' nodes, then starts what stands in for Google.
set -eu
for address in $ADDRESSES; do
    ip address add "$address/32" dev lo 2> /dev/null || ip address show dev lo | grep -q " $address/32 "
done
while read -r pods node; do
    ip route replace "$pods" via "$node"
done < /etc/vision-week/routes
# What follows changes no network.
exec setpriv --bounding-set=-net_admin,-setpcap python3 /etc/vision-week/supervise.py /etc/vision-week/programs.json
