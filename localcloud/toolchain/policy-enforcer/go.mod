module vision-week/localcloud/toolchain/policy-enforcer

go 1.26.0
