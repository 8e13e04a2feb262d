#!/bin/sh
# Makes the container fit to be a node, then starts the node's programs.
set -eu

# Volumes that kubelet mounts must appear in pods; kubelet reads the kernel's log for out-of-memory kills.
mount --make-rshared /
[ -e /dev/kmsg ] || mknod /dev/kmsg c 1 11
mount -o remount,rw /sys
[ -s /etc/machine-id ] || tr -d - < /proc/sys/kernel/random/uuid > /etc/machine-id

# Pods live under the node's own control group: what freezes or limits the node then holds for its pods.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    CGROUP=$(sed -n 's/^0:://p' /proc/self/cgroup)
    # Version 2 allows no processes beside child groups that have controllers.
    mkdir -p "/sys/fs/cgroup$CGROUP/init"
    xargs -rn1 < "/sys/fs/cgroup$CGROUP/cgroup.procs" > "/sys/fs/cgroup$CGROUP/init/cgroup.procs" || true
    sed 's/[^ ]*/+&/g' "/sys/fs/cgroup$CGROUP/cgroup.controllers" > "/sys/fs/cgroup$CGROUP/cgroup.subtree_control"
else
    CGROUP=$(sed -n 's/^[0-9]*:memory://p' /proc/self/cgroup)
fi
export CGROUP

# Packets between pods of one node cross a bridge and must meet the same rules as those between nodes: no node without.
bridged=/proc/sys/net/bridge/bridge-nf-call-iptables
echo 1 > $bridged || [ "$(cat $bridged)" = 1 ]
echo 1 > /proc/sys/net/ipv4/ip_forward
iptables -P FORWARD ACCEPT
iptables -t nat -C POSTROUTING -s "$PODS" ! -d "$PODS" -j MASQUERADE 2> /dev/null ||
    iptables -t nat -A POSTROUTING -s "$PODS" ! -d "$PODS" -j MASQUERADE
while read -r pods node; do
    ip route replace "$pods" via "$node"
done < /etc/vision-week/routes

exec python3 /etc/vision-week/supervise.py /etc/vision-week/programs.json
