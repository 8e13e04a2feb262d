// Policy-enforcer makes one node's packets obey the cluster's network policies.
//
// It follows NetworkPolicies, Pods and Namespaces, and keeps one table of nftables on its node as they say: written whole,
// in one transaction, whenever something changed. Called by the container run-time it is a plugin of the pods' network
// instead, by which a pod waits until its policies are in force. It needs nothing but Go's own library and nft.
//
// What it does not do: IPv6 (frames of other protocols than IPv4 between pods are dropped), and cutting off connections
// that were allowed when they were made. What a node itself sends to its own pods is always allowed, as Kubernetes has
// it: probes arrive.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("policy-enforcer: ")
	if command := os.Getenv("CNI_COMMAND"); command != "" {
		os.Exit(plugin(command, os.Stdin, os.Stdout))
	}
	server := flag.String("server", "", "URL of the API server")
	credentials := flag.String("credentials", "", "folder with authority.crt, policy-enforcer.crt and policy-enforcer.key")
	node := flag.String("node", "", "name of this node")
	pods := flag.String("pods", "", "range of this node's pods")
	socket := flag.String("socket", "", "where the run-time's plugin asks")
	listen := flag.String("listen", "", "address at which /ready says whether the policies are in force")
	flag.Parse()
	if err := run(*server, *credentials, *node, *pods, *socket, *listen); err != nil {
		log.Fatal(err)
	}
}

func run(server, credentials, node, pods, socket, listen string) error {
	network, err := netip.ParsePrefix(pods)
	if err != nil {
		return err
	}
	from, err := newAPI(server, credentials)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	state := newState(node, network.Masked(), from)
	go follow(ctx, from, podsPath, state, state.pods)
	go follow(ctx, from, namespacesPath, state, state.namespaces)
	go follow(ctx, from, policiesPath, state, state.policies)
	failed := make(chan error, 2)
	go func() { failed <- serve(ctx, state, socket) }()
	go func() { failed <- http.ListenAndServe(listen, readiness(state)) }()
	go state.enforce(ctx)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

func readiness(state *state) http.Handler {
	handler := http.NewServeMux()
	handler.HandleFunc("GET /ready", func(answer http.ResponseWriter, _ *http.Request) {
		if problem := state.ready(); problem != nil {
			http.Error(answer, problem.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(answer, "ok")
	})
	return handler
}
