#!/bin/sh
# Waits until the repository answers. A pod that was just made is nobody's for some seconds to whoever says who it is: on
# Google Cloud the metadata server (https://cloud.google.com/kubernetes-engine/docs/concepts/workload-identity, "Limitations").
# Whatever is wrong else is said by what comes next.
tries=15
until pgbackrest repo-ls > /dev/null 2>&1 || [ "$tries" -eq 0 ]; do
    tries=$((tries - 1))
    sleep 1
done
