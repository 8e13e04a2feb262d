//go:build tools

package main

// So that `go mod tidy` keeps what is built beside this.
import _ "github.com/googlecloudplatform/gcsfuse/v3"
