package main

import (
	"strconv"
	"strings"
)

type object interface{ about() meta }

// store holds the objects of one kind as a watch tells of them, and never goes back in time.
//
// Beside the watch, a part of them can be read directly where being a moment late would be a hole (see attach). Then
// the watch is behind for that part, and what it still tells of it from before is dropped.
type store[T object] struct {
	objects  map[string]T
	revision uint64            // of the newest thing that the watch told
	ahead    map[string]uint64 // prefix of keys -> revision at which that part was read directly
	synced   bool
}

func newStore[T object]() *store[T] {
	return &store[T]{objects: map[string]T{}, ahead: map[string]uint64{}}
}

// key ends with a slash, so that every key and every namespace is a prefix of its own part and of no other.
func key(about meta) string { return about.Namespace + "/" + about.Name + "/" }

// replace takes a whole list.
func (s *store[T]) replace(objects []T, revision uint64) {
	fresh := map[string]T{}
	for _, one := range objects {
		if key := key(one.about()); !s.isAhead(key, revision) {
			fresh[key] = one
		}
	}
	for key, one := range s.objects {
		if s.isAhead(key, revision) {
			fresh[key] = one
		}
	}
	s.objects, s.synced = fresh, true
	s.advance(revision)
}

// told takes one event of the watch.
func (s *store[T]) told(event string, one T) {
	revision := number(one.about().ResourceVersion)
	if key := key(one.about()); event != "BOOKMARK" && !s.isAhead(key, revision) {
		if event == "DELETED" {
			delete(s.objects, key)
		} else {
			s.objects[key] = one
		}
	}
	s.advance(revision)
}

// read takes all objects whose key has the prefix, as they were at the revision.
func (s *store[T]) read(prefix string, objects []T, revision uint64) {
	if revision <= s.revision || s.isAhead(prefix, revision) {
		return
	}
	for key := range s.objects {
		if strings.HasPrefix(key, prefix) {
			delete(s.objects, key)
		}
	}
	for _, one := range objects {
		s.objects[key(one.about())] = one
	}
	s.ahead[prefix] = revision
}

func (s *store[T]) isAhead(key string, revision uint64) bool {
	for prefix, read := range s.ahead {
		if strings.HasPrefix(key, prefix) && revision <= read {
			return true
		}
	}
	return false
}

func (s *store[T]) advance(revision uint64) {
	s.revision = max(s.revision, revision)
	for prefix, read := range s.ahead {
		if read <= s.revision {
			delete(s.ahead, prefix)
		}
	}
}

// number of a resource version: etcd's revision, one count for all kinds.
func number(version string) uint64 {
	parsed, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		return 0
	}
	return parsed
}
