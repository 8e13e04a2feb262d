// Google-stand-in is what the local cluster's pods find where Google is: a metadata server that says who they are, as
// GKE's does, and Cloud Storage, which lets them do what the simulated Google Cloud's policies allow.
//
// What is in the buckets is kept by fake-gcs-server, behind it. Who asks is known by the address, of which the API server
// knows the pod. It needs nothing but Go's own library.
//
// What it does not do: service accounts of Google's that a pod acts as, conditions in a policy (a right on a condition is
// none), groups, roles that a project made itself, and the right to delete that overwriting an object asks for.
package main

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"flag"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// project is the one whose cluster this is.
type project struct {
	Name     string `json:"name"`
	Number   int    `json:"number"`
	Cluster  string `json:"cluster"`
	Location string `json:"location"`
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("google-stand-in: ")
	server := flag.String("server", "", "URL of the API server")
	settings := flag.String("settings", "", "folder with project.json and, in pki, the certificates")
	cloud := flag.String("cloud", "", "file that is the simulated Google Cloud")
	buckets := flag.String("buckets", "", "URL of fake-gcs-server")
	metadataAt := flag.String("metadata", "", "address of the metadata server")
	storageAt := flag.String("storage", "", "addresses of Cloud Storage, by commas")
	ownerAt := flag.String("owner", "", "address at which the owner of everything reaches the buckets")
	ownerFrom := flag.String("owner-from", "", "the only address that may ask there")
	flag.Parse()

	var about project
	text, err := os.ReadFile(*settings + "/project.json")
	fatal(err)
	fatal(json.Unmarshal(text, &about))
	pods, err := newPods(*server, *settings+"/pki")
	fatal(err)
	pair, err := tls.LoadX509KeyPair(*settings+"/pki/storage.crt", *settings+"/pki/storage.key")
	fatal(err)
	key, err := os.ReadFile(*settings + "/pki/storage.key")
	fatal(err)
	behind, err := url.Parse(*buckets)
	fatal(err)

	// Tokens outlive a restart, of which their bearers know nothing.
	issued := tokens{key: sha256.Sum256(key)}
	store := newStore(behind, issued, policies{file: *cloud})
	secure := &http.Server{Handler: store, TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12,
	}}
	failed := make(chan error)
	listen := func(address string, serve func(net.Listener) error) {
		listener, err := net.Listen("tcp", address)
		fatal(err)
		go func() { failed <- serve(listener) }()
	}
	listen(*metadataAt, (&http.Server{Handler: metadata(about, pods, issued)}).Serve)
	for address := range strings.SplitSeq(*storageAt, ",") {
		listen(address, func(at net.Listener) error { return secure.ServeTLS(at, "", "") })
	}
	listen(*ownerAt, (&http.Server{Handler: only(*ownerFrom, store.proxy)}).Serve)
	fatal(<-failed)
}

// only answers one address.
func only(from string, handler http.Handler) http.Handler {
	return http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		if caller(request) != from {
			http.Error(answer, "This is for the machine that the cluster runs on.", http.StatusForbidden)
			return
		}
		handler.ServeHTTP(answer, request)
	})
}

// caller gives the address that a request comes from.
func caller(request *http.Request) string {
	host, _, _ := net.SplitHostPort(request.RemoteAddr)
	return host
}

func fatal(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
