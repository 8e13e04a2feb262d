package main

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

type direction string

const (
	ingress direction = "Ingress"
	egress  direction = "Egress"
)

// world is all that decides who may talk to whom, at one moment, seen from one node.
type world struct {
	pods       map[string]pod
	namespaces map[string]namespace
	policies   map[string]policy
	// addresses of the pods that have any: by key of the pod.
	addresses map[string][]netip.Addr
	// local says which pods are on this node, in its pods' own network.
	local map[string]bool
	// network is the range of this node's pods.
	network netip.Prefix
}

// writer puts a table together; what is the same for many pods is there once.
type writer struct {
	world
	sets   []string // in the order of their numbers
	chains map[direction]*chains
	named  map[string]string // content of a set -> its name
	peers  []string          // keys of all pods that have an address, in order
	order  []string          // keys of all policies, in order
	done   map[string]string // direction and policy -> its rules, where they are the same for all pods
}

type chains struct {
	texts   []string
	named   map[string]string // rules -> name of the chain
	entries []string          // of the verdict map
}

// table gives the whole of nftables' text for this node: what it had is replaced by this in one transaction.
//
// Connections that exist go on. A new one of an address that no known pod has is dropped; then the pod that it leaves and
// the pod that it reaches are asked, if they are on this node. Whoever no policy restricts isn't in the maps.
// The rules stand behind the translation of Services' addresses, and see the pods themselves.
func (w world) table() string {
	write := &writer{
		world:  w,
		chains: map[direction]*chains{ingress: {named: map[string]string{}}, egress: {named: map[string]string{}}},
		named:  map[string]string{},
		peers:  slices.Sorted(maps.Keys(w.addresses)),
		order:  slices.Sorted(maps.Keys(w.policies)),
		done:   map[string]string{},
	}
	var known, itself []string
	for _, key := range slices.Sorted(maps.Keys(w.local)) {
		restricted := false
		for _, direction := range []direction{egress, ingress} {
			restricted = write.pod(key, direction) || restricted
		}
		for _, address := range w.addresses[key] {
			known = append(known, address.String())
			if restricted {
				itself = append(itself, fmt.Sprintf("%s . %s", address, address))
			}
		}
	}
	text := &strings.Builder{}
	for _, family := range []string{"ip", "bridge"} {
		fmt.Fprintf(text, "add table %s network-policies\ndelete table %s network-policies\n", family, family)
	}
	fmt.Fprint(text, "table ip network-policies {\n")
	fmt.Fprint(text, collection("set pods", "ipv4_addr", known))
	fmt.Fprint(text, collection("set itself", "ipv4_addr . ipv4_addr", itself))
	for number, addresses := range write.sets {
		fmt.Fprint(text, collection(fmt.Sprintf("set peers-%d", number+1), "ipv4_addr", []string{addresses}))
	}
	for _, direction := range []direction{egress, ingress} {
		chains := write.chains[direction]
		for number, rules := range chains.texts {
			fmt.Fprintf(text, "\tchain %s {\n%s\t}\n", direction.chain(number+1), rules)
		}
		fmt.Fprint(text, collection("map "+direction.lower(), "ipv4_addr : verdict", chains.entries))
	}
	fmt.Fprintf(text, `	chain forward {
		type filter hook forward priority -5; policy accept;
		ct state established,related accept
		ip saddr . ip daddr @itself accept
		ip saddr %[1]s ip saddr != @pods drop
		ip daddr %[1]s ip daddr != @pods drop
		ip saddr vmap @egress
		ip daddr vmap @ingress
	}
}
table bridge network-policies {
	chain forward {
		type filter hook forward priority -5; policy accept;
		ether type != { ip, arp } drop
	}
}
`, w.network)
	return text.String()
}

// pod writes what the policies allow a pod in a direction; false if none restricts it.
func (w *writer) pod(key string, direction direction) bool {
	about := w.pods[key]
	restricted := false
	rules := ""
	for _, name := range w.order {
		policy := w.policies[name]
		if policy.Meta.Namespace != about.Meta.Namespace || !policy.restricts(direction) ||
			!policy.Spec.PodSelector.matches(about.Meta.Labels) {
			continue
		}
		restricted = true
		rules += w.rules(direction, policy, about)
	}
	if !restricted {
		return false
	}
	text := rules + "\t\tdrop\n"
	chains := w.chains[direction]
	chain, there := chains.named[text]
	if !there {
		chains.texts = append(chains.texts, text)
		chain = direction.chain(len(chains.texts))
		chains.named[text] = chain
	}
	for _, address := range w.addresses[key] {
		chains.entries = append(chains.entries, fmt.Sprintf("%s : jump %s", address, chain))
	}
	return true
}

// rules writes what a policy allows a pod.
func (w *writer) rules(direction direction, policy policy, about pod) string {
	memory := string(direction) + " " + key(policy.Meta)
	if text, there := w.done[memory]; there {
		return text
	}
	text, same := "", true
	for _, rule := range direction.rules(policy) {
		for _, match := range w.matches(direction, policy.Meta.Namespace, about, rule) {
			text += fmt.Sprintf("\t\t%sreturn\n", match)
		}
		_, names := split(rule.Ports)
		same = same && (direction == egress || len(names) == 0)
	}
	if same {
		w.done[memory] = text
	}
	return text
}

// matches gives the conditions of a rule, each of which is enough: peers times ports.
func (w *writer) matches(direction direction, home string, about pod, rule rule) []string {
	peers := rule.From
	if direction == egress {
		peers = rule.To
	}
	numbered, names := split(rule.Ports)
	if direction == ingress {
		for _, name := range names {
			// The name is the restricted pod's own.
			if number := about.port(name.name, name.protocol); number != 0 {
				numbered.add(name.protocol, number, number)
			}
		}
	}
	selected := w.selected(home, peers)
	var found []string
	if ports := numbered.conditions(len(rule.Ports) == 0); len(ports) > 0 {
		for _, side := range w.sides(direction, peers, selected) {
			for _, port := range ports {
				found = append(found, side+port)
			}
		}
	}
	if direction == egress {
		found = append(found, w.byName(names, selected)...)
	}
	return found
}

// sides gives the conditions for the other side of a connection; one that is always true if there are no peers.
func (w *writer) sides(direction direction, peers []peer, selected []string) []string {
	if len(peers) == 0 {
		return []string{""}
	}
	field := "ip saddr "
	if direction == egress {
		field = "ip daddr "
	}
	var found []string
	var addresses []netip.Addr
	for _, key := range selected {
		addresses = append(addresses, w.addresses[key]...)
	}
	if len(addresses) > 0 {
		found = append(found, field+"@"+w.set(addresses)+" ")
	}
	for _, peer := range peers {
		if peer.IPBlock == nil {
			continue
		}
		block, err := netip.ParsePrefix(peer.IPBlock.CIDR)
		if err != nil || !block.Addr().Is4() {
			continue
		}
		condition := field + block.Masked().String() + " "
		for _, text := range peer.IPBlock.Except {
			if except, err := netip.ParsePrefix(text); err == nil && except.Addr().Is4() {
				condition += field + "!= " + except.Masked().String() + " "
			}
		}
		found = append(found, condition)
	}
	return found
}

// byName gives the conditions for ports that are named: the name is the other pod's, and may be another number in each.
func (w *writer) byName(names []namedPort, selected []string) []string {
	var found []string
	for _, name := range names {
		byNumber := map[int][]netip.Addr{}
		for _, key := range selected {
			if number := w.pods[key].port(name.name, name.protocol); number != 0 {
				byNumber[number] = append(byNumber[number], w.addresses[key]...)
			}
		}
		for _, number := range slices.Sorted(maps.Keys(byNumber)) {
			if addresses := byNumber[number]; len(addresses) > 0 {
				port := fmt.Sprintf("%s dport { %d } ", strings.ToLower(name.protocol), number)
				found = append(found, fmt.Sprintf("ip daddr @%s %s", w.set(addresses), port))
			}
		}
	}
	return found
}

// selected gives the keys of the pods that the peers mean; all pods if there are no peers.
func (w *writer) selected(home string, peers []peer) []string {
	var found []string
	for _, key := range w.peers {
		about := w.pods[key]
		labels := w.namespaces["/"+about.Meta.Namespace+"/"].Meta.Labels
		means := func(peer peer) bool {
			switch {
			case peer.IPBlock != nil || (peer.NamespaceSelector == nil && peer.PodSelector == nil):
				return false
			case peer.NamespaceSelector == nil && about.Meta.Namespace != home:
				return false
			case peer.NamespaceSelector != nil && !peer.NamespaceSelector.matches(labels):
				return false
			}
			return peer.PodSelector == nil || peer.PodSelector.matches(about.Meta.Labels)
		}
		if len(peers) == 0 || slices.ContainsFunc(peers, means) {
			found = append(found, key)
		}
	}
	return found
}

// set gives the name of the set with these addresses.
func (w *writer) set(addresses []netip.Addr) string {
	slices.SortFunc(addresses, netip.Addr.Compare)
	texts := []string{}
	for _, address := range slices.Compact(addresses) {
		texts = append(texts, address.String())
	}
	content := strings.Join(texts, ", ")
	if _, there := w.named[content]; !there {
		w.sets = append(w.sets, content)
		w.named[content] = fmt.Sprintf("peers-%d", len(w.sets))
	}
	return w.named[content]
}

type namedPort struct{ name, protocol string }

// ranges of ports by protocol.
type ranges map[string][][2]int

func (r ranges) add(protocol string, first, last int) {
	r[protocol] = append(r[protocol], [2]int{first, last})
}

// split parts a rule's ports into numbers and names.
func split(ports []port) (ranges, []namedPort) {
	numbered, names := ranges{}, []namedPort{}
	for _, port := range ports {
		protocol := orTCP(port.Protocol)
		switch value := port.Port.(type) {
		case nil:
			numbered.add(protocol, 0, 65535)
		case float64:
			numbered.add(protocol, int(value), max(int(value), port.EndPort))
		case string:
			names = append(names, namedPort{value, protocol})
		}
	}
	return numbered, names
}

// conditions gives one for each protocol, its ranges merged: nftables takes no set with overlaps.
func (r ranges) conditions(all bool) []string {
	if all {
		return []string{""}
	}
	var found []string
	for _, protocol := range slices.Sorted(maps.Keys(r)) {
		if !slices.Contains([]string{"TCP", "UDP", "SCTP"}, protocol) {
			continue
		}
		sorted := slices.SortedFunc(slices.Values(r[protocol]), func(a, b [2]int) int { return cmp.Compare(a[0], b[0]) })
		merged := [][2]int{}
		for _, one := range sorted {
			if last := len(merged) - 1; last >= 0 && one[0] <= merged[last][1]+1 {
				merged[last][1] = max(merged[last][1], one[1])
			} else {
				merged = append(merged, one)
			}
		}
		var texts []string
		for _, one := range merged {
			if one[0] == one[1] {
				texts = append(texts, fmt.Sprint(one[0]))
			} else {
				texts = append(texts, fmt.Sprintf("%d-%d", one[0], one[1]))
			}
		}
		found = append(found, fmt.Sprintf("%s dport { %s } ", strings.ToLower(protocol), strings.Join(texts, ", ")))
	}
	return found
}

func (d direction) lower() string { return strings.ToLower(string(d)) }

func (d direction) chain(number int) string { return fmt.Sprintf("%s-%d", d.lower(), number) }

func (d direction) rules(policy policy) []rule {
	if d == ingress {
		return policy.Spec.Ingress
	}
	return policy.Spec.Egress
}

// collection writes a set or a map; nftables refuses an empty list of elements.
func collection(name, kind string, elements []string) string {
	if len(elements) == 0 {
		return fmt.Sprintf("\t%s { type %s; }\n", name, kind)
	}
	return fmt.Sprintf("\t%s { type %s; elements = { %s } }\n", name, kind, strings.Join(elements, ", "))
}
