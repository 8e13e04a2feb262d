package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"
)

var errNobody = errors.New("no pod has this address")

// pods is the API server, asked for one thing: whose an address is.
type pods struct {
	server string
	http   *http.Client
}

func newPods(server, folder string) (*pods, error) {
	pair, err := tls.LoadX509KeyPair(folder+"/client.crt", folder+"/client.key")
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(folder + "/cluster.crt")
	if err != nil {
		return nil, err
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(authority) {
		return nil, errors.New("no certificate in cluster.crt")
	}
	return &pods{server: server, http: &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: trusted, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		},
	}}, nil
}

// account gives the account of the pod that has an address now, as `ns/NAMESPACE/sa/NAME`. A pod in its node's network
// has the node's, and is nobody.
func (p *pods) account(ctx context.Context, address string) (string, error) {
	query := url.Values{"fieldSelector": {"status.podIP=" + address}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.server+"/api/v1/pods?"+query.Encode(), nil)
	if err != nil {
		return "", err
	}
	answer, err := p.http.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the API server answers %s", answer.Status)
	}
	var found struct {
		Items []struct {
			Metadata struct {
				Namespace string `json:"namespace"`
			} `json:"metadata"`
			Spec struct {
				HostNetwork    bool   `json:"hostNetwork"`
				ServiceAccount string `json:"serviceAccountName"`
			} `json:"spec"`
			Status struct {
				Phase string `json:"phase"`
			} `json:"status"`
		} `json:"items"`
	}
	if err := json.NewDecoder(answer.Body).Decode(&found); err != nil {
		return "", err
	}
	for _, pod := range found.Items {
		over := pod.Status.Phase == "Succeeded" || pod.Status.Phase == "Failed"
		if !over && !pod.Spec.HostNetwork {
			return "ns/" + pod.Metadata.Namespace + "/sa/" + pod.Spec.ServiceAccount, nil
		}
	}
	return "", errNobody
}
