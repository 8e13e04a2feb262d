// CoreDNS with the plugins that a cluster's DNS uses, and no more: upstream's main with the same server, built in a
// fifth of the time because no cloud provider's SDK comes along.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/bufsize"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/loop"
	_ "github.com/coredns/coredns/plugin/metrics"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"
	_ "github.com/coredns/coredns/plugin/template"
)

func main() {
	// The order in which plugins see a query; it is upstream's (plugin.cfg).
	dnsserver.Directives = []string{
		"reload", "bufsize", "ready", "health", "prometheus", "errors", "log", "loadbalance", "cache", "template",
		"kubernetes", "loop", "forward",
	}
	coremain.Run()
}
