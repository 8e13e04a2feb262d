package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"time"
)

// api is the API server: lists, and watches that carry on from them. The whole of client-go is far more than that.
type api struct {
	server string
	http   *http.Client
}

var errGone = errors.New("the watch is too far behind")

// newAPI reads the client's certificate, its key and the server's authority from a folder.
func newAPI(server, folder string) (*api, error) {
	pair, err := tls.LoadX509KeyPair(folder+"/policy-enforcer.crt", folder+"/policy-enforcer.key")
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(folder + "/authority.crt")
	if err != nil {
		return nil, err
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(authority) {
		return nil, errors.New("no certificate in authority.crt")
	}
	return &api{server: server, http: &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: trusted, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
		// A watch of a server that went away without a word is found out, instead of believed for ever.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 5 * time.Second, PingTimeout: 5 * time.Second},
	}}}, nil
}

func (a *api) open(ctx context.Context, path string, query url.Values) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, a.server+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	answer, err := a.http.Do(request)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode == http.StatusGone {
		answer.Body.Close()
		return nil, errGone
	}
	if answer.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(answer.Body, 1000))
		answer.Body.Close()
		return nil, fmt.Errorf("%s: %s: %s", path, answer.Status, said)
	}
	return answer.Body, nil
}

// list reads what is there now, not what a cache of the server's holds; and at which revision.
func list[T object](ctx context.Context, from *api, path, field string) ([]T, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	query := url.Values{}
	if field != "" {
		query.Set("fieldSelector", field)
	}
	body, err := from.open(ctx, path, query)
	if err != nil {
		return nil, 0, err
	}
	defer body.Close()
	var answer struct {
		Metadata meta `json:"metadata"`
		Items    []T  `json:"items"`
	}
	if err := json.NewDecoder(body).Decode(&answer); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", path, err)
	}
	return answer.Items, number(answer.Metadata.ResourceVersion), nil
}

// watch tells of changes from the revision on, until the server ends it or something breaks.
func watch[T object](ctx context.Context, from *api, path string, revision uint64, told func(string, T)) error {
	query := url.Values{"watch": {"true"}, "allowWatchBookmarks": {"true"}, "resourceVersion": {fmt.Sprint(revision)}}
	body, err := from.open(ctx, path, query)
	if err != nil {
		return err
	}
	defer body.Close()
	events := json.NewDecoder(body)
	for {
		var event struct {
			Type   string          `json:"type"`
			Object json.RawMessage `json:"object"`
		}
		if err := events.Decode(&event); err != nil {
			return err
		}
		if event.Type == "ERROR" {
			return fmt.Errorf("%w: %s", errGone, event.Object)
		}
		var one T
		if err := json.Unmarshal(event.Object, &one); err != nil {
			return err
		}
		told(event.Type, one)
	}
}

// follow keeps a store as the API server has its kind, for ever.
func follow[T object](ctx context.Context, from *api, path string, state *state, store *store[T]) {
	listed, said := false, ""
	for ctx.Err() == nil {
		var err error
		if !listed {
			objects, at, failed := list[T](ctx, from, path, "")
			if err, listed = failed, failed == nil; listed {
				state.change(func() { store.replace(objects, at) })
			}
		}
		if listed {
			err = watch(ctx, from, path, revision(state, store), func(event string, one T) {
				state.change(func() { store.told(event, one) })
			})
			listed = !errors.Is(err, errGone)
		}
		if text := err.Error(); !errors.Is(err, io.EOF) && ctx.Err() == nil && text != said {
			log.Printf("%s: %s", path, text)
			said = text
		}
		time.Sleep(200 * time.Millisecond)
	}
}
