module vision-week/localcloud/toolchain/google-stand-in

go 1.26.0
