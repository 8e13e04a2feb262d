package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/netip"
	"os/exec"
	"strings"
	"sync"
	"time"
)

const (
	podsPath       = "/api/v1/pods"
	namespacesPath = "/api/v1/namespaces"
	policiesPath   = "/apis/networking.k8s.io/v1/networkpolicies"
	// Somebody may remove the table: how often to look.
	lookEvery = 10 * time.Second
)

// attachment is a pod's connection to this node's network, as the run-time told of it when it was made.
type attachment struct {
	Container string       `json:"container"`
	Namespace string       `json:"namespace"`
	Name      string       `json:"name"`
	UID       string       `json:"uid"`
	Addresses []netip.Addr `json:"addresses"`
}

// state is what this node's enforcer knows, and how far the kernel has been told.
type state struct {
	node    string
	network netip.Prefix
	api     *api

	mutex      sync.Mutex
	pods       *store[pod]
	namespaces *store[namespace]
	policies   *store[policy]
	attached   map[string]attachment // by container
	changes    uint64
	written    uint64 // of the changes, those that the kernel knows
	problem    error
	wake       chan struct{}
	progress   chan struct{} // closed and made anew when something has been written
}

func newState(node string, network netip.Prefix, from *api) *state {
	return &state{
		node: node, network: network, api: from,
		pods: newStore[pod](), namespaces: newStore[namespace](), policies: newStore[policy](),
		attached: map[string]attachment{}, problem: errors.New("the objects haven't been read yet"),
		wake: make(chan struct{}, 1), progress: make(chan struct{}),
	}
}

func revision[T object](state *state, store *store[T]) uint64 {
	state.mutex.Lock()
	defer state.mutex.Unlock()
	return store.revision
}

// change changes the state and has it written; it gives the change's number.
func (s *state) change(how func()) uint64 {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	how()
	s.changes++
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return s.changes
}

// attach lets a pod that is being made into the network: when it returns nil, all policies hold for it that were there
// when it was called. The watches may be behind, so what decides is read from the API server.
func (s *state) attach(ctx context.Context, one attachment) error {
	pods, podsAt, err := list[pod](ctx, s.api, podsPath, fmt.Sprintf("metadata.namespace=%s,metadata.name=%s", one.Namespace, one.Name))
	if err != nil {
		return err
	}
	if len(pods) != 1 || (one.UID != "" && pods[0].Meta.UID != one.UID) {
		return fmt.Errorf("pod %s/%s is not, or no longer, the one that is being made", one.Namespace, one.Name)
	}
	one.UID = pods[0].Meta.UID
	namespaces, namespacesAt, err := list[namespace](ctx, s.api, namespacesPath, "metadata.name="+one.Namespace)
	if err != nil {
		return err
	}
	path := strings.Replace(policiesPath, "/networkpolicies", "/namespaces/"+one.Namespace+"/networkpolicies", 1)
	policies, policiesAt, err := list[policy](ctx, s.api, path, "")
	if err != nil {
		return err
	}
	number := s.change(func() {
		s.pods.read(one.Namespace+"/"+one.Name+"/", pods, podsAt)
		s.namespaces.read("/"+one.Namespace+"/", namespaces, namespacesAt)
		s.policies.read(one.Namespace+"/", policies, policiesAt)
		s.attached[one.Container] = one
	})
	return s.waitUntilWritten(ctx, number)
}

// detach forgets a container's address. The next pod that is given it waits for a table that is made after this.
func (s *state) detach(container string) {
	s.change(func() { delete(s.attached, container) })
}

func (s *state) waitUntilWritten(ctx context.Context, number uint64) error {
	for {
		s.mutex.Lock()
		done, progress, problem := s.written >= number, s.progress, s.problem
		s.mutex.Unlock()
		if done {
			return nil
		}
		select {
		case <-progress:
		case <-ctx.Done():
			return fmt.Errorf("the policies aren't in force: %w", errors.Join(problem, ctx.Err()))
		}
	}
}

// ready gives what keeps the policies from being in force, or nil.
func (s *state) ready() error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.problem
}

// enforce writes what has changed, for ever: one write for all that came during the last one.
func (s *state) enforce(ctx context.Context) {
	if !there(ctx) {
		// Nobody may talk before the policies are known. A table of an enforcer that ran before stays as it is until then.
		if err := nft(ctx, world{network: s.network}.table(), "-f", "-"); err != nil {
			log.Print(err)
		}
	}
	last := ""
	look := time.NewTicker(lookEvery)
	for ctx.Err() == nil {
		select {
		case <-s.wake:
		case <-look.C:
			if there(ctx) {
				continue
			}
			last = ""
		case <-ctx.Done():
			return
		}
		number, text := s.text()
		if text == "" {
			continue
		}
		var err error
		if text != last {
			if err = nft(ctx, text, "-f", "-"); err != nil {
				log.Print(err)
				time.AfterFunc(time.Second, func() { s.change(func() {}) })
			} else {
				last = text
			}
		}
		s.wrote(number, err)
	}
}

// text gives the table for what is known now, with the number of the last change in it; nothing before all is known.
func (s *state) text() (uint64, string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if !s.pods.synced || !s.namespaces.synced || !s.policies.synced {
		return 0, ""
	}
	return s.changes, s.world().table()
}

func (s *state) wrote(number uint64, err error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.problem = err
	if err == nil {
		s.written = number
		close(s.progress)
		s.progress = make(chan struct{})
	}
}

// world puts together what is known. An address belongs to the pod that the run-time gave it to; where an enforcer was
// started after the pod, to the pod that claims it in its status.
func (s *state) world() world {
	w := world{
		pods: s.pods.objects, namespaces: s.namespaces.objects, policies: s.policies.objects, network: s.network,
		addresses: map[string][]netip.Addr{}, local: map[string]bool{},
	}
	attached := map[string][]netip.Addr{} // by the pod's UID
	taken := map[netip.Addr]bool{}
	for _, one := range s.attached {
		attached[one.UID] = append(attached[one.UID], one.Addresses...)
		for _, address := range one.Addresses {
			taken[address] = true
		}
	}
	for key, pod := range s.pods.objects {
		// A pod in its node's network is its node, and no peer that a selector means.
		if pod.Spec.HostNetwork || pod.ended() {
			continue
		}
		addresses, told := attached[pod.Meta.UID]
		if !told {
			for _, each := range pod.Status.PodIPs {
				if address, err := netip.ParseAddr(each.IP); err == nil && address.Is4() && !taken[address] {
					addresses = append(addresses, address)
				}
			}
		}
		if len(addresses) > 0 {
			w.addresses[key] = addresses
			w.local[key] = pod.Spec.NodeName == s.node
		}
	}
	for key, local := range w.local {
		if !local {
			delete(w.local, key)
		}
	}
	return w
}

func there(ctx context.Context) bool {
	for _, family := range []string{"ip", "bridge"} {
		if nft(ctx, "", "-t", "list", "table", family, "network-policies") != nil {
			return false
		}
	}
	return true
}

// nft runs the tool of that name, by which a file is one transaction.
func nft(ctx context.Context, input string, arguments ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	command := exec.CommandContext(ctx, "nft", arguments...)
	command.Stdin = strings.NewReader(input)
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("nft %s: %w: %s", strings.Join(arguments, " "), err, said)
	}
	return nil
}
