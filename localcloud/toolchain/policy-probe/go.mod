module vision-week/localcloud/toolchain/policy-probe

go 1.26.0
