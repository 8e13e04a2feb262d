package main

import (
	"net/netip"
	"testing"
)

var range1 = netip.MustParsePrefix("10.244.1.0/24")

func known(pods ...pod) *state {
	state := newState("node-1", range1, nil)
	state.pods.replace(pods, 1)
	state.namespaces.replace(nil, 1)
	state.policies.replace(nil, 1)
	return state
}

func running(name, uid, address string) pod {
	one := pod{Meta: meta{Namespace: "x", Name: name, UID: uid}}
	one.Spec.NodeName, one.Status.Phase = "node-1", "Running"
	one.Status.PodIPs = append(one.Status.PodIPs, struct {
		IP string `json:"ip"`
	}{address})
	return one
}

func TestNothingIsWrittenBeforeEverythingIsKnown(t *testing.T) {
	state := newState("node-1", range1, nil)
	state.pods.replace(nil, 1)
	if _, text := state.text(); text != "" {
		t.Error(text)
	}
	if state.ready() == nil {
		t.Error("ready")
	}
}

func TestAnAddressBelongsToThePodThatTheRunTimeGaveItTo(t *testing.T) {
	state := known(running("old", "1", "10.244.1.5"), running("new", "2", "10.244.1.9"))
	state.attached["c"] = attachment{UID: "2", Addresses: []netip.Addr{netip.MustParseAddr("10.244.1.5")}}
	w := state.world()
	if len(w.addresses) != 1 || w.addresses["x/new/"][0].String() != "10.244.1.5" {
		t.Errorf("got %v", w.addresses)
	}
}

func TestAPodThatEndedHasNoAddress(t *testing.T) {
	one := running("job", "1", "10.244.1.5")
	one.Status.Phase = "Succeeded"
	if w := known(one).world(); len(w.addresses) != 0 {
		t.Errorf("got %v", w.addresses)
	}
}

func TestAPodInItsNodesNetworkIsNoPeer(t *testing.T) {
	one := running("node", "1", "172.31.240.11")
	one.Spec.HostNetwork = true
	if w := known(one).world(); len(w.addresses) != 0 || len(w.local) != 0 {
		t.Errorf("got %v", w)
	}
}

func TestAPodOfAnotherNodeIsAPeerAndNotOurs(t *testing.T) {
	one := running("far", "1", "10.244.2.5")
	one.Spec.NodeName = "node-2"
	if w := known(one).world(); len(w.addresses) != 1 || len(w.local) != 0 {
		t.Errorf("got %v", w)
	}
}
