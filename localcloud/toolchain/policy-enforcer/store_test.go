package main

import "testing"

func labelled(name, label, version string) pod {
	return pod{Meta: meta{Namespace: "x", Name: name, ResourceVersion: version, Labels: map[string]string{"l": label}}}
}

func TestAWatchThatIsBehindChangesNothingThatWasReadDirectly(t *testing.T) {
	s := newStore[pod]()
	s.replace(nil, 10)
	s.read("x/a/", []pod{labelled("a", "new", "18")}, 20)
	s.told("ADDED", labelled("a", "old", "15"))
	if got := s.objects["x/a/"].Meta.Labels["l"]; got != "new" {
		t.Errorf("got %s", got)
	}
	s.told("MODIFIED", labelled("a", "newest", "21"))
	if got := s.objects["x/a/"].Meta.Labels["l"]; got != "newest" {
		t.Errorf("got %s", got)
	}
	if len(s.ahead) != 0 {
		t.Errorf("what the watch has caught up with is kept: %v", s.ahead)
	}
}

func TestWhatIsGoneIsNotBroughtBackByAnOlderReading(t *testing.T) {
	s := newStore[pod]()
	s.replace([]pod{labelled("a", "", "5")}, 10)
	s.told("DELETED", labelled("a", "", "20"))
	s.read("x/a/", []pod{labelled("a", "", "5")}, 15)
	if len(s.objects) != 0 {
		t.Errorf("it is there again: %v", s.objects)
	}
}

func TestOnePodsNameIsNotTheBeginningOfAnothers(t *testing.T) {
	s := newStore[pod]()
	s.replace([]pod{labelled("a", "", "5"), labelled("ab", "", "6")}, 10)
	s.read("x/a/", nil, 20)
	if _, there := s.objects["x/ab/"]; !there || len(s.objects) != 1 {
		t.Errorf("got %v", s.objects)
	}
}

func TestANewListKeepsWhatWasReadAfterIt(t *testing.T) {
	s := newStore[pod]()
	s.replace(nil, 10)
	s.read("x/", []pod{labelled("a", "", "18")}, 20)
	s.replace([]pod{labelled("b", "", "12")}, 15)
	if _, there := s.objects["x/a/"]; !there || len(s.objects) != 1 {
		t.Errorf("got %v", s.objects)
	}
}
