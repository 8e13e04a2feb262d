package main

import (
	"slices"
	"testing"
)

func TestMountOptionsAreGcsfusesOwn(t *testing.T) {
	options, settings, err := arguments([]string{
		"uid=1000,gid=1000", "file-mode=640", "implicit-dirs",
		"write:enable-streaming-writes:false", "metadata-cache:ttl-secs:60", "metadata-cache:negative-ttl-secs:0",
	})
	if wanted := []string{"--uid=1000", "--gid=1000", "--file-mode=640", "--implicit-dirs"}; !slices.Equal(options, wanted) {
		t.Errorf("%v, not %v", options, wanted)
	}
	wanted := `{"metadata-cache":{"negative-ttl-secs":0,"ttl-secs":60},"write":{"enable-streaming-writes":false}}`
	if string(settings) != wanted || err != nil {
		t.Errorf("%s, not %s: %v", settings, wanted, err)
	}
}

func TestAnOptionThatContradictsAnotherIsRefused(t *testing.T) {
	if _, _, err := arguments([]string{"write:enable", "write:enable:x:y"}); err == nil {
		t.Error("it is taken")
	}
}
