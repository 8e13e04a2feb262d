package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// here is a world with namespaces x and y, pods a and b in each, all of them on this node.
func here(t *testing.T, policies ...string) world {
	t.Helper()
	w := world{
		pods: map[string]pod{}, namespaces: map[string]namespace{}, policies: map[string]policy{},
		addresses: map[string][]netip.Addr{}, local: map[string]bool{}, network: netip.MustParsePrefix("10.244.1.0/24"),
	}
	for row, space := range []string{"x", "y"} {
		w.namespaces["/"+space+"/"] = namespace{Meta: meta{Name: space, Labels: map[string]string{"ns": space}}}
		for column, name := range []string{"a", "b"} {
			var one pod
			read(t, fmt.Sprintf(`{
				"metadata": {"namespace": %q, "name": %q, "labels": {"pod": %q}},
				"spec": {"containers": [{"ports": [{"name": "web", "containerPort": %d}]}]}
			}`, space, name, name, 8000+column), &one)
			key := key(one.Meta)
			w.pods[key], w.local[key] = one, true
			w.addresses[key] = []netip.Addr{netip.AddrFrom4([4]byte{10, 244, 1, byte(10*row + column + 2)})}
		}
	}
	for number, text := range policies {
		var one policy
		read(t, text, &one)
		one.Meta.Name, one.Meta.Namespace = fmt.Sprint("policy-", number), "x"
		w.policies[key(one.Meta)] = one
	}
	return w
}

func read(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatal(err)
	}
}

// chain gives the rules that a pod's packets meet, with the sets' contents in place of their names.
func chain(t *testing.T, w world, direction direction, address string) string {
	t.Helper()
	table := w.table()
	_, entries, _ := strings.Cut(table, "map "+direction.lower()+" ")
	entries, _, _ = strings.Cut(entries, "\n")
	_, jump, there := strings.Cut(entries, address+" : jump ")
	if !there {
		return "anybody"
	}
	name := strings.FieldsFunc(jump, func(r rune) bool { return r == ',' || r == ' ' })[0]
	_, rules, _ := strings.Cut(table, "chain "+name+" {\n")
	rules, _, _ = strings.Cut(rules, "\t}\n")
	for line := range strings.Lines(table) {
		if set, found := strings.CutPrefix(line, "\tset "); found {
			name, content, _ := strings.Cut(set, " ")
			_, elements, _ := strings.Cut(content, "elements = ")
			rules = strings.ReplaceAll(rules, "@"+name+" ", strings.TrimSuffix(elements, " }\n")+" ")
		}
	}
	return strings.ReplaceAll(strings.TrimSpace(rules), "\n\t\t", "; ")
}

func TestRules(t *testing.T) {
	for _, test := range []struct {
		behaviour, policy string
		direction         direction
		pod, want         string
	}{
		{"a pod that no policy means is free", `{"spec": {"podSelector": {"matchLabels": {"pod": "b"}}}}`,
			ingress, "10.244.1.2", "anybody"},
		{"a pod of another namespace is free", `{"spec": {}}`, ingress, "10.244.1.12", "anybody"},
		{"no rules, nobody", `{"spec": {"policyTypes": ["Ingress"]}}`, ingress, "10.244.1.2", "drop"},
		{"without types a policy is about ingress", `{"spec": {}}`, ingress, "10.244.1.2", "drop"},
		{"and not about egress", `{"spec": {}}`, egress, "10.244.1.2", "anybody"},
		{"unless it has rules for that", `{"spec": {"egress": [{}]}}`, egress, "10.244.1.2", "return; drop"},
		{"an empty rule is everybody", `{"spec": {"ingress": [{}]}}`, ingress, "10.244.1.2", "return; drop"},
		{"a selector of pods means its own namespace", `{"spec": {"ingress": [{"from": [{"podSelector": {}}]}]}}`,
			ingress, "10.244.1.2", "ip saddr { 10.244.1.2, 10.244.1.3 } return; drop"},
		{"a selector of namespaces means all their pods",
			`{"spec": {"ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"ns": "y"}}}]}]}}`,
			ingress, "10.244.1.2", "ip saddr { 10.244.1.12, 10.244.1.13 } return; drop"},
		{"both selectors in one peer mean both",
			`{"spec": {"ingress": [{"from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"pod": "b"}}}]}]}}`,
			ingress, "10.244.1.2", "ip saddr { 10.244.1.13, 10.244.1.3 } return; drop"},
		{"in two peers they mean either",
			`{"spec": {"ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"ns": "y"}}}, {"podSelector": {"matchLabels": {"pod": "b"}}}]}]}}`,
			ingress, "10.244.1.2", "ip saddr { 10.244.1.12, 10.244.1.13, 10.244.1.3 } return; drop"},
		{"peers that nobody is are nobody, not everybody",
			`{"spec": {"ingress": [{"from": [{"podSelector": {"matchLabels": {"pod": "none"}}}]}]}}`,
			ingress, "10.244.1.2", "drop"},
		{"a block of addresses with exceptions",
			`{"spec": {"ingress": [{"from": [{"ipBlock": {"cidr": "10.9.1.1/8", "except": ["10.1.0.0/16", "10.2.0.0/16"]}}]}]}}`,
			ingress, "10.244.1.2", "ip saddr 10.0.0.0/8 ip saddr != 10.1.0.0/16 ip saddr != 10.2.0.0/16 return; drop"},
		{"a block of the other family matches nothing",
			`{"spec": {"ingress": [{"from": [{"ipBlock": {"cidr": "fd00::/8"}}]}]}}`, ingress, "10.244.1.2", "drop"},
		{"ports of three protocols, TCP where nothing is said",
			`{"spec": {"egress": [{"ports": [{"port": 80}, {"protocol": "UDP", "port": 53}, {"protocol": "SCTP"}]}]}}`,
			egress, "10.244.1.2", "sctp dport { 0-65535 } return; tcp dport { 80 } return; udp dport { 53 } return; drop"},
		{"ranges that overlap or touch become one",
			`{"spec": {"egress": [{"ports": [{"port": 80}, {"port": 81, "endPort": 90}, {"port": 85, "endPort": 99}, {"port": 200}]}]}}`,
			egress, "10.244.1.2", "tcp dport { 80-99, 200 } return; drop"},
		{"a port's name is that of the pod that is reached: coming in, one's own",
			`{"spec": {"ingress": [{"ports": [{"port": "web"}]}]}}`, ingress, "10.244.1.3", "tcp dport { 8001 } return; drop"},
		{"going out, each peer's",
			`{"spec": {"egress": [{"to": [{"podSelector": {}}], "ports": [{"port": "web"}]}]}}`,
			egress, "10.244.1.2", "ip daddr { 10.244.1.2 } tcp dport { 8000 } return; ip daddr { 10.244.1.3 } tcp dport { 8001 } return; drop"},
		{"a name of another protocol is no name",
			`{"spec": {"ingress": [{"ports": [{"protocol": "UDP", "port": "web"}]}]}}`, ingress, "10.244.1.2", "drop"},
		{"a name that nobody has is no port, not all",
			`{"spec": {"egress": [{"ports": [{"port": "none"}]}]}}`, egress, "10.244.1.2", "drop"},
		{"labels by expressions",
			`{"spec": {"ingress": [{"from": [{"podSelector": {"matchExpressions": [{"key": "pod", "operator": "NotIn", "values": ["a"]}, {"key": "pod", "operator": "Exists"}]}}]}]}}`,
			ingress, "10.244.1.2", "ip saddr { 10.244.1.3 } return; drop"},
		{"an expression that is unknown matches nobody",
			`{"spec": {"ingress": [{"from": [{"podSelector": {"matchExpressions": [{"key": "pod", "operator": "Like"}]}}]}]}}`,
			ingress, "10.244.1.2", "drop"},
	} {
		t.Run(test.behaviour, func(t *testing.T) {
			got := chain(t, here(t, test.policy), test.direction, test.pod)
			if !same(got, test.want) {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// same compares rules without the order of a set's addresses, which is by number.
func same(got, want string) bool {
	return strings.Join(words(got), " ") == strings.Join(words(want), " ")
}

func words(text string) []string {
	found := strings.Fields(strings.NewReplacer(",", " ", ";", " ; ").Replace(text))
	for start := 0; start < len(found); start++ {
		if found[start] == "{" {
			end := start
			for found[end] != "}" {
				end++
			}
			slices.Sort(found[start+1 : end])
		}
	}
	return found
}

func TestWhatSeveralPoliciesAllowAddsUp(t *testing.T) {
	w := here(t,
		`{"spec": {"policyTypes": ["Ingress"]}}`,
		`{"spec": {"ingress": [{"ports": [{"port": 80}]}]}}`,
		`{"spec": {"ingress": [{"ports": [{"port": 81}]}]}}`)
	if got, want := chain(t, w, ingress, "10.244.1.2"), "tcp dport { 80 } return; tcp dport { 81 } return; drop"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestAPodReachesItself(t *testing.T) {
	if table := here(t, `{"spec": {}}`).table(); !strings.Contains(table, "10.244.1.2 . 10.244.1.2") {
		t.Error(table)
	}
}

func TestNobodyKnownMeansNobodyTalks(t *testing.T) {
	table := world{network: netip.MustParsePrefix("10.244.1.0/24")}.table()
	for _, want := range []string{
		"set pods { type ipv4_addr; }",
		"ip saddr 10.244.1.0/24 ip saddr != @pods drop",
		"ip daddr 10.244.1.0/24 ip daddr != @pods drop",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("%s is not in %s", want, table)
		}
	}
}

func TestThreeHundredPodsAndAHundredPoliciesTakeNoTime(t *testing.T) {
	w := here(t)
	for number := range 300 {
		one := pod{Meta: meta{Namespace: fmt.Sprint("n", number%20), Name: fmt.Sprint(number), Labels: map[string]string{"pod": fmt.Sprint(number % 7)}}}
		key := key(one.Meta)
		w.pods[key], w.local[key] = one, number%3 == 0
		w.addresses[key] = []netip.Addr{netip.AddrFrom4([4]byte{10, 244, byte(number % 3), byte(number / 3)})}
	}
	for number := range 100 {
		var one policy
		read(t, fmt.Sprintf(`{"spec": {"podSelector": {"matchLabels": {"pod": "%d"}}, "egress": [{"to": [{"namespaceSelector": {}}]}],
			"ingress": [{"from": [{"podSelector": {"matchLabels": {"pod": "%d"}}}], "ports": [{"port": %d}]}]}}`, number%7, number%5, number), &one)
		one.Meta.Namespace, one.Meta.Name = fmt.Sprint("n", number%20), fmt.Sprint(number)
		w.policies[key(one.Meta)] = one
	}
	started := time.Now()
	table := w.table()
	t.Logf("%d lines in %s", strings.Count(table, "\n"), time.Since(started))
	if !strings.Contains(table, "chain ingress-") {
		t.Error("nobody is restricted")
	}
}
