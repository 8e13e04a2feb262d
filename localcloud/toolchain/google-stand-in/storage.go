package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
)

const (
	host       = "storage.googleapis.com"
	uploadedBy = "X-Guploader-Uploadid"
)

// store is Cloud Storage: requests go to the buckets as they come, if who asks may do what they ask for.
type store struct {
	behind   *url.URL
	proxy    *httputil.ReverseProxy
	issued   tokens
	policies policies
	// Uploads that were begun and aren't done. Who knows the id of one may carry on with it, without a token:
	// https://cloud.google.com/storage/docs/resumable-uploads#session-uris
	begun sync.Map
}

// access is what a request needs: a permission on a bucket.
type access struct {
	permission, bucket string
}

func newStore(behind *url.URL, issued tokens, from policies) *store {
	made := &store{behind: behind, issued: issued, policies: from}
	made.proxy = &httputil.ReverseProxy{
		Rewrite: func(request *httputil.ProxyRequest) {
			request.SetURL(behind)
			// The same names in what it answers as in what it was asked.
			request.Out.Host = request.In.Host
			if request.In.TLS != nil {
				request.Out.Header.Set("X-Forwarded-Proto", "https")
			}
			request.Out.Header.Del("X-Http-Method-Override")
		},
		ModifyResponse: made.remember,
	}
	return made
}

func (s *store) ServeHTTP(answer http.ResponseWriter, request *http.Request) {
	wanted := needs(request)
	if request.Host != host || wanted == nil {
		refuse(answer, http.StatusNotFound, "notFound", "Not Found")
		return
	}
	if id := request.URL.Query().Get("upload_id"); id != "" {
		if bucket, there := s.begun.Load(id); there && bucket == wanted[0].bucket {
			s.proxy.ServeHTTP(answer, request)
			return
		}
	}
	token, given := strings.CutPrefix(request.Header.Get("Authorization"), "Bearer ")
	if !given {
		answer.Header().Set("WWW-Authenticate", `Bearer realm="https://accounts.google.com/"`)
		refuse(answer, http.StatusUnauthorized, "required", denied("Anonymous caller", wanted[0]))
		return
	}
	principal, err := s.issued.principal(token, time.Now())
	if err != nil {
		answer.Header().Set("WWW-Authenticate", `Bearer realm="https://accounts.google.com/", error="invalid_token"`)
		refuse(answer, http.StatusUnauthorized, "authError", "Invalid Credentials")
		return
	}
	for _, each := range wanted {
		allowed, err := s.policies.allows(principal, each.permission, each.bucket)
		if err != nil {
			log.Print(err)
			refuse(answer, http.StatusServiceUnavailable, "backendError", err.Error())
			return
		}
		if !allowed {
			log.Print(denied(principal, each))
			refuse(answer, http.StatusForbidden, "forbidden", denied(principal, each))
			return
		}
	}
	if found := movePath.FindStringSubmatch(request.URL.EscapedPath()); found != nil {
		s.move(answer, request, found[1], found[2], found[3])
		return
	}
	s.proxy.ServeHTTP(answer, request)
}

// move gives an object another name, which fake-gcs-server doesn't know: by a copy, after which the old one goes. At
// Google nobody sees both.
func (s *store) move(answer http.ResponseWriter, request *http.Request, bucket, from, to string) {
	place := s.behind.JoinPath("storage/v1/b", bucket, "o").String()
	query := request.URL.RawQuery
	copied, err := http.Post(place+"/"+from+"/rewriteTo/b/"+bucket+"/o/"+to+"?"+query, "application/json", nil)
	if err != nil {
		refuse(answer, http.StatusServiceUnavailable, "backendError", err.Error())
		return
	}
	defer copied.Body.Close()
	var said struct {
		Resource json.RawMessage `json:"resource"`
	}
	if copied.StatusCode != http.StatusOK || json.NewDecoder(copied.Body).Decode(&said) != nil {
		refuse(answer, copied.StatusCode, "notFound", "The object can't be moved: "+copied.Status)
		return
	}
	gone, err := http.NewRequest(http.MethodDelete, place+"/"+from, nil)
	if err == nil {
		var deleted *http.Response
		if deleted, err = http.DefaultClient.Do(gone); err == nil {
			deleted.Body.Close()
		}
	}
	if err != nil {
		refuse(answer, http.StatusServiceUnavailable, "backendError", err.Error())
		return
	}
	answer.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_, _ = answer.Write(said.Resource)
}

// remember keeps the id of an upload that was begun, and tells it as Google does, in a header of its own besides the
// Location (fake-gcs-server has it in the Location alone; pgBackRest reads the header).
func (s *store) remember(answer *http.Response) error {
	request := answer.Request
	if request.Method == http.MethodPost && answer.StatusCode == http.StatusOK {
		if at, err := answer.Location(); err == nil && at.Query().Get("upload_id") != "" {
			id := at.Query().Get("upload_id")
			bucket := part(request.URL.EscapedPath(), uploadPath)
			s.begun.Store(id, bucket)
			answer.Header.Set(uploadedBy, id)
		}
	}
	if request.Method == http.MethodPut && answer.StatusCode == http.StatusOK && answer.Header.Get("X-Http-Status-Code-Override") == "" {
		s.begun.Delete(request.URL.Query().Get("upload_id"))
	}
	return nil
}

// A bucket's name in a path, and an object's, in which a slash is written %2F.
var (
	bucketPath  = regexp.MustCompile(`^/storage/v1/b/([\w.-]+)$`)
	layoutPath  = regexp.MustCompile(`^/storage/v1/b/([\w.-]+)/storageLayout$`)
	listPath    = regexp.MustCompile(`^/storage/v1/b/([\w.-]+)/o/?$`)
	objectPath  = regexp.MustCompile(`^(?:/download)?/storage/v1/b/([\w.-]+)/o/[^/]+$`)
	composePath = regexp.MustCompile(`^/storage/v1/b/([\w.-]+)/o/[^/]+/compose$`)
	copyPath    = regexp.MustCompile(`^/storage/v1/b/([\w.-]+)/o/[^/]+/(?:rewriteTo|copyTo)/b/([\w.-]+)/o/[^/]+$`)
	movePath    = regexp.MustCompile(`^/storage/v1/b/([\w.-]+)/o/([^/]+)/moveTo/o/([^/]+)$`)
	uploadPath  = regexp.MustCompile(`^/upload/storage/v1/b/([\w.-]+)/o/?$`)
	// The XML API's.
	plainPath = regexp.MustCompile(`^/([a-z0-9][\w.-]+)(/.+)?$`)
	reserved  = regexp.MustCompile(`^/(storage|upload|download|batch)/`)
)

// needs says what a request needs: https://cloud.google.com/storage/docs/access-control/iam-json. Nothing, if it is none
// that is answered here.
func needs(request *http.Request) []access {
	path, method := request.URL.EscapedPath(), request.Method
	one := func(form *regexp.Regexp, permissions map[string]string) []access {
		if permission := permissions[method]; permission != "" {
			return []access{{permission, part(path, form)}}
		}
		return nil
	}
	switch {
	case bucketPath.MatchString(path):
		return one(bucketPath, map[string]string{"GET": "buckets.get", "PATCH": "buckets.update", "DELETE": "buckets.delete"})
	case layoutPath.MatchString(path):
		return one(layoutPath, map[string]string{"GET": "objects.list"})
	case listPath.MatchString(path):
		return one(listPath, map[string]string{"GET": "objects.list"})
	case objectPath.MatchString(path):
		return one(objectPath, map[string]string{
			"GET": "objects.get", "HEAD": "objects.get", "DELETE": "objects.delete",
			"PATCH": "objects.update", "PUT": "objects.update", "POST": "objects.update",
		})
	case uploadPath.MatchString(path):
		return one(uploadPath, map[string]string{
			"POST": "objects.create", "PUT": "objects.create", "DELETE": "objects.create",
		})
	case composePath.MatchString(path) && method == http.MethodPost:
		bucket := part(path, composePath)
		return []access{{"objects.create", bucket}, {"objects.get", bucket}}
	case copyPath.MatchString(path) && method == http.MethodPost:
		found := copyPath.FindStringSubmatch(path)
		return []access{{"objects.get", found[1]}, {"objects.create", found[2]}}
	case movePath.MatchString(path) && method == http.MethodPost:
		bucket := part(path, movePath)
		return []access{{"objects.move", bucket}, {"objects.create", bucket}}
	case !reserved.MatchString(path) && plainPath.MatchString(path):
		if plainPath.FindStringSubmatch(path)[2] == "" {
			return one(plainPath, map[string]string{"GET": "objects.list"})
		}
		return one(plainPath, map[string]string{
			"GET": "objects.get", "HEAD": "objects.get", "PUT": "objects.create", "DELETE": "objects.delete",
		})
	}
	return nil
}

func part(path string, form *regexp.Regexp) string {
	if found := form.FindStringSubmatch(path); found != nil {
		return found[1]
	}
	return ""
}

// denied is in Google's words.
func denied(who string, what access) string {
	kind := "object"
	if strings.HasPrefix(what.permission, "buckets.") {
		kind = "bucket"
	}
	return fmt.Sprintf(
		"%s does not have storage.%s access to the Google Cloud Storage %s. Permission 'storage.%s' denied on resource (or it may not exist).",
		who, what.permission, kind, what.permission)
}

func refuse(answer http.ResponseWriter, status int, reason, message string) {
	answer.Header().Set("Content-Type", "application/json; charset=UTF-8")
	answer.WriteHeader(status)
	_ = json.NewEncoder(answer).Encode(map[string]any{"error": map[string]any{
		"code":    status,
		"message": message,
		"errors":  []map[string]string{{"message": message, "domain": "global", "reason": reason}},
	}})
}
