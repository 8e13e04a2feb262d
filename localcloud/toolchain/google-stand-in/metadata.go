package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const scope = "https://www.googleapis.com/auth/cloud-platform"

// metadata answers what GKE's metadata server answers a pod whose account no service account of Google's is given to:
// https://cloud.google.com/kubernetes-engine/docs/concepts/workload-identity
func metadata(about project, pods *pods, issued tokens) http.Handler {
	pool := about.Name + ".svc.id.goog"
	plain := map[string]string{
		"project/project-id":                        about.Name,
		"project/numeric-project-id":                strconv.Itoa(about.Number),
		"instance/attributes/cluster-name":          about.Cluster,
		"instance/attributes/cluster-location":      about.Location,
		"instance/service-accounts/":                "default/\n" + pool + "/\n",
		"instance/service-accounts/default/email":   pool,
		"instance/service-accounts/default/scopes":  scope + "\n",
		"instance/service-accounts/default/aliases": "default\n",
		"universe/universe-domain":                  "googleapis.com",
	}
	return http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		answer.Header().Set("Metadata-Flavor", "Google")
		answer.Header().Set("Server", "GKE Metadata Server")
		if request.URL.Path == "/" { // by which a library finds out that it is at Google
			fmt.Fprint(answer, "computeMetadata/\n")
			return
		}
		if request.Header.Get("Metadata-Flavor") != "Google" {
			http.Error(answer, `Missing required header "Metadata-Flavor": "Google"`, http.StatusForbidden)
			return
		}
		if request.Header.Get("X-Forwarded-For") != "" {
			http.Error(answer, `Request contains the header "X-Forwarded-For"`, http.StatusForbidden)
			return
		}
		path, found := strings.CutPrefix(request.URL.Path, "/computeMetadata/v1/")
		path = strings.Replace(path, "service-accounts/"+pool, "service-accounts/default", 1)
		if !found || request.Method != http.MethodGet {
			http.NotFound(answer, request)
			return
		}
		account, err := pods.account(request.Context(), caller(request))
		if errors.Is(err, errNobody) {
			http.Error(answer, err.Error(), http.StatusNotFound)
			return
		}
		if err != nil {
			log.Print(err)
			http.Error(answer, err.Error(), http.StatusServiceUnavailable) // clients ask again
			return
		}
		switch {
		case path == "instance/service-accounts/default/token":
			principal := fmt.Sprintf(
				"principal://iam.googleapis.com/projects/%d/locations/global/workloadIdentityPools/%s/subject/%s",
				about.Number, pool, account)
			reply(answer, map[string]any{
				"access_token": issued.issue(principal, time.Now()),
				"expires_in":   int(tokenLife.Seconds()) - 1,
				"token_type":   "Bearer",
			})
		case path == "instance/service-accounts/default/" && request.URL.Query().Get("recursive") == "true":
			reply(answer, map[string]any{"aliases": []string{"default"}, "email": pool, "scopes": []string{scope}})
		case path == "instance/service-accounts/default/":
			fmt.Fprint(answer, "aliases\nemail\nscopes\ntoken\n")
		default:
			text, known := plain[path]
			if !known {
				http.NotFound(answer, request)
				return
			}
			answer.Header().Set("Content-Type", "application/text")
			fmt.Fprint(answer, text)
		}
	})
}

func reply(answer http.ResponseWriter, content any) {
	answer.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(answer).Encode(content)
}
