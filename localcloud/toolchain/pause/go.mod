module vision-week/localcloud/toolchain/pause

go 1.26.0
