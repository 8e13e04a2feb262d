package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const (
	tokenPath = "/computeMetadata/v1/instance/service-accounts/default/token"
	aPod      = `{"metadata": {"namespace": "a"}, "spec": {"serviceAccountName": "writer"}, "status": {"phase": "Running"}}`
)

// known gives a metadata server beside an API server that knows these pods, whichever address is asked for.
func known(t *testing.T, items ...string) http.Handler {
	t.Helper()
	api := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		if got := request.URL.Query().Get("fieldSelector"); got != "status.podIP=192.0.2.1" {
			t.Errorf("asked for %q", got)
		}
		fmt.Fprintf(answer, `{"items": [%s]}`, strings.Join(items, ","))
	}))
	t.Cleanup(api.Close)
	return metadata(project{Name: "p", Number: 1}, &pods{server: api.URL, http: api.Client()}, tokens{})
}

func asked(from http.Handler, path string, headers ...string) *httptest.ResponseRecorder {
	request := httptest.NewRequest("GET", "http://metadata.google.internal"+path, nil) // it comes from 192.0.2.1
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	answer := httptest.NewRecorder()
	from.ServeHTTP(answer, request)
	return answer
}

func TestAPodGetsTheTokenOfItsOwnAccount(t *testing.T) {
	got := asked(known(t, aPod), tokenPath, "Metadata-Flavor", "Google")
	var said struct {
		Token string `json:"access_token"`
		Type  string `json:"token_type"`
		Life  int    `json:"expires_in"`
	}
	if err := json.Unmarshal(got.Body.Bytes(), &said); err != nil {
		t.Fatal(err)
	}
	principal, err := tokens{}.principal(said.Token, time.Now())
	if principal != writer || err != nil || said.Type != "Bearer" || said.Life != 3599 {
		t.Errorf("%s, %v: %+v", principal, err, said)
	}
}

func TestWhoIsNotToldAnything(t *testing.T) {
	over := strings.Replace(aPod, "Running", "Succeeded", 1)
	ofNode := strings.Replace(aPod, `"spec": {`, `"spec": {"hostNetwork": true, `, 1)
	for why, each := range map[string]struct {
		from    http.Handler
		headers []string
		status  int
	}{
		"a browser that was led here":      {known(t, aPod), nil, 403},
		"another server's visitor":         {known(t, aPod), []string{"Metadata-Flavor", "Google", "X-Forwarded-For", "x"}, 403},
		"an address that no pod has":       {known(t), []string{"Metadata-Flavor", "Google"}, 404},
		"an address that a pod had":        {known(t, over), []string{"Metadata-Flavor", "Google"}, 404},
		"a pod with its node's own access": {known(t, ofNode), []string{"Metadata-Flavor", "Google"}, 404},
	} {
		if got := asked(each.from, tokenPath, each.headers...); got.Code != each.status {
			t.Errorf("%s: %d, not %d: %s", why, got.Code, each.status, got.Body)
		}
	}
	if got := asked(known(t, over, aPod), tokenPath, "Metadata-Flavor", "Google"); got.Code != 200 {
		t.Errorf("who has an address that another had: %d", got.Code)
	}
}

func TestWhatLibrariesAskFor(t *testing.T) {
	for path, wanted := range map[string]string{
		"/":                                      "computeMetadata/\n",
		"/computeMetadata/v1/project/project-id": "p",
		"/computeMetadata/v1/project/numeric-project-id":                    "1",
		"/computeMetadata/v1/universe/universe-domain":                      "googleapis.com",
		"/computeMetadata/v1/instance/service-accounts/p.svc.id.goog/email": "p.svc.id.goog",
		"/computeMetadata/v1/instance/service-accounts/default/?recursive=true": `{"aliases":["default"],"email":"p.svc.id.goog",` +
			`"scopes":["https://www.googleapis.com/auth/cloud-platform"]}` + "\n",
	} {
		got := asked(known(t, aPod), path, "Metadata-Flavor", "Google")
		if got.Body.String() != wanted || got.Header().Get("Metadata-Flavor") != "Google" {
			t.Errorf("%s: %d %q, not %q", path, got.Code, got.Body, wanted)
		}
	}
}
