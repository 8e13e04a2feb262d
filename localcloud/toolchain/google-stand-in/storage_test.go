package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	writer = "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p.svc.id.goog/subject/ns/a/sa/writer"
	policy = `{"things": {
		"gcp:storage/bucket:Bucket": {"mine": {"inputs": {"project": "p"}}, "theirs": {"inputs": {"project": "other"}}},
		"gcp:storage/bucketIAMMember:BucketIAMMember": {
			"1": {"inputs": {"bucket": "mine", "role": "roles/storage.objectUser", "member": "` + writer + `"}},
			"2": {"inputs": {"bucket": "some", "role": "roles/storage.objectUser", "member": "` + writer + `", "condition": {"title": "x"}}},
			"3": {"inputs": {"bucket": "read", "role": "roles/storage.objectViewer", "member": "` + writer + `"}}
		},
		"gcp:projects/iAMMember:IAMMember": {
			"4": {"inputs": {"project": "other", "role": "roles/storage.objectViewer", "member": "` + writer + `"}}
		}
	}}`
)

// serving gives a store before a server that says "kept", and begins uploads as fake-gcs-server does.
func serving(t *testing.T) *store {
	t.Helper()
	file := filepath.Join(t.TempDir(), "cloud.json")
	if err := os.WriteFile(file, []byte(policy), 0o600); err != nil {
		t.Fatal(err)
	}
	behind := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		if request.Method == http.MethodPost && request.URL.Query().Get("uploadType") == "resumable" {
			answer.Header().Set("Location", "https://"+request.Host+request.URL.Path+"?upload_id=begun")
		}
		_, _ = io.WriteString(answer, "kept")
	}))
	t.Cleanup(behind.Close)
	at, _ := url.Parse(behind.URL)
	return newStore(at, tokens{}, policies{file: file})
}

func ask(s *store, method, path, token string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, "https://"+host+path, nil)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, request)
	return answer
}

func TestWhoMayDoWhat(t *testing.T) {
	s := serving(t)
	good := s.issued.issue(writer, time.Now())
	other := s.issued.issue(strings.Replace(writer, "sa/writer", "sa/other", 1), time.Now())
	old := s.issued.issue(writer, time.Now().Add(-2*tokenLife))
	forged := tokens{key: [32]byte{1}}.issue(writer, time.Now())
	for _, each := range []struct {
		why, method, path, token string
		status                   int
	}{
		{"its role has it", "GET", "/storage/v1/b/mine/o/a%2Fb?alt=media", good, 200},
		{"its role has it", "POST", "/upload/storage/v1/b/mine/o?uploadType=media&name=a", good, 200},
		{"its role has it", "GET", "/storage/v1/b/mine/o?prefix=a", good, 200},
		{"the XML API asks the same policy", "GET", "/mine/a/b", good, 200},
		{"its role has it not", "GET", "/storage/v1/b/mine", good, 403},
		{"a viewer writes nothing", "POST", "/upload/storage/v1/b/read/o?uploadType=media&name=a", good, 403},
		{"a viewer deletes nothing", "DELETE", "/read/a", good, 403},
		{"a right on a condition is none", "GET", "/storage/v1/b/some/o/a", good, 403},
		{"its project lets it", "GET", "/storage/v1/b/theirs/o/a", good, 200},
		{"a copy reads from one and writes to the other", "POST", "/storage/v1/b/mine/o/a/rewriteTo/b/read/o/b", good, 403},
		{"a viewer moves nothing", "POST", "/storage/v1/b/read/o/a/moveTo/o/b", good, 403},
		{"a copy within one", "POST", "/storage/v1/b/mine/o/a/rewriteTo/b/mine/o/b", good, 200},
		{"nobody gave it anything", "GET", "/storage/v1/b/mine/o/a", other, 403},
		{"without a token", "GET", "/storage/v1/b/mine/o/a", "", 401},
		{"with one of yesterday", "GET", "/storage/v1/b/mine/o/a", old, 401},
		{"with one of its own making", "GET", "/storage/v1/b/mine/o/a", forged, 401},
		{"with none that is one", "GET", "/storage/v1/b/mine/o/a", "ya29.x", 401},
		{"what fake-gcs-server has of its own", "POST", "/_internal/delete_all", good, 404},
		{"requests within a request", "POST", "/batch/storage/v1", good, 404},
		{"another way to write the same", "GET", "/storage/v1/b/mine/../theirs/o/a/b", good, 404},
	} {
		if got := ask(s, each.method, each.path, each.token); got.Code != each.status {
			t.Errorf("%s %s (%s): %d, not %d: %s", each.method, each.path, each.why, got.Code, each.status, got.Body)
		}
	}
}

func TestAnUploadThatWasBegunGoesOnWithoutAToken(t *testing.T) {
	s := serving(t)
	path := "/upload/storage/v1/b/mine/o?uploadType=resumable&name=a"
	carryOn := path + "&upload_id=begun"
	if got := ask(s, "PUT", carryOn, ""); got.Code != 401 {
		t.Errorf("before it is begun: %d", got.Code)
	}
	begun := ask(s, "POST", path, s.issued.issue(writer, time.Now()))
	if id := begun.Header().Get(uploadedBy); id != "begun" {
		t.Errorf("its id: %q", id)
	}
	if got := ask(s, "PUT", strings.Replace(carryOn, "mine", "read", 1), ""); got.Code != 401 {
		t.Errorf("into another bucket: %d", got.Code)
	}
	if got := ask(s, "PUT", carryOn, ""); got.Code != 200 {
		t.Errorf("its content: %d", got.Code)
	}
	if got := ask(s, "PUT", carryOn, ""); got.Code != 401 {
		t.Errorf("after it is done: %d", got.Code)
	}
}

func TestAMovedObjectIsCopiedAndThenGone(t *testing.T) {
	var asked []string
	behind := httptest.NewServer(http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		asked = append(asked, request.Method+" "+request.RequestURI)
		_, _ = io.WriteString(answer, `{"done": true, "resource": {"name": "b/c"}}`)
	}))
	t.Cleanup(behind.Close)
	s := serving(t)
	s.behind, _ = url.Parse(behind.URL)
	got := ask(s, "POST", "/storage/v1/b/mine/o/a%2Fb/moveTo/o/b%2Fc?ifGenerationMatch=0", s.issued.issue(writer, time.Now()))
	if got.Code != 200 || got.Body.String() != `{"name": "b/c"}` {
		t.Errorf("%d: %s", got.Code, got.Body)
	}
	wanted := []string{
		"POST /storage/v1/b/mine/o/a%2Fb/rewriteTo/b/mine/o/b%2Fc?ifGenerationMatch=0", "DELETE /storage/v1/b/mine/o/a%2Fb",
	}
	if !slices.Equal(asked, wanted) {
		t.Errorf("%v, not %v", asked, wanted)
	}
}

func TestOnlyTheNameThatTheCertificateIsForIsAnswered(t *testing.T) {
	s := serving(t)
	request := httptest.NewRequest("GET", "https://mine/a", nil)
	request.Header.Set("Authorization", "Bearer "+s.issued.issue(writer, time.Now()))
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, request)
	if answer.Code != 404 {
		t.Errorf("%d: %s", answer.Code, answer.Body)
	}
}
