package main

import "slices"

// What is read of the API's objects: only the fields that decide who may talk to whom.

type meta struct {
	Name            string            `json:"name"`
	Namespace       string            `json:"namespace"`
	UID             string            `json:"uid"`
	ResourceVersion string            `json:"resourceVersion"`
	Labels          map[string]string `json:"labels"`
}

type namespace struct {
	Meta meta `json:"metadata"`
}

type pod struct {
	Meta meta `json:"metadata"`
	Spec struct {
		NodeName       string      `json:"nodeName"`
		HostNetwork    bool        `json:"hostNetwork"`
		Containers     []container `json:"containers"`
		InitContainers []container `json:"initContainers"`
	} `json:"spec"`
	Status struct {
		Phase  string `json:"phase"`
		PodIPs []struct {
			IP string `json:"ip"`
		} `json:"podIPs"`
	} `json:"status"`
}

type container struct {
	Ports []struct {
		Name          string `json:"name"`
		ContainerPort int    `json:"containerPort"`
		Protocol      string `json:"protocol"`
	} `json:"ports"`
}

type policy struct {
	Meta meta `json:"metadata"`
	Spec struct {
		PodSelector selector `json:"podSelector"`
		PolicyTypes []string `json:"policyTypes"`
		Ingress     []rule   `json:"ingress"`
		Egress      []rule   `json:"egress"`
	} `json:"spec"`
}

// rule is one of a policy's, in either direction.
type rule struct {
	From  []peer `json:"from"`
	To    []peer `json:"to"`
	Ports []port `json:"ports"`
}

type peer struct {
	PodSelector       *selector `json:"podSelector"`
	NamespaceSelector *selector `json:"namespaceSelector"`
	IPBlock           *struct {
		CIDR   string   `json:"cidr"`
		Except []string `json:"except"`
	} `json:"ipBlock"`
}

type port struct {
	Protocol string `json:"protocol"`
	Port     any    `json:"port"` // a number, a name, or nothing
	EndPort  int    `json:"endPort"`
}

type selector struct {
	MatchLabels      map[string]string `json:"matchLabels"`
	MatchExpressions []struct {
		Key      string   `json:"key"`
		Operator string   `json:"operator"`
		Values   []string `json:"values"`
	} `json:"matchExpressions"`
}

func (n namespace) about() meta { return n.Meta }
func (p pod) about() meta       { return p.Meta }
func (p policy) about() meta    { return p.Meta }

// ended says whether the pod's containers have ended for good: its address belongs to nobody, or soon to another pod.
func (p pod) ended() bool {
	return p.Status.Phase == "Succeeded" || p.Status.Phase == "Failed"
}

// port gives the number of the pod's port of this name and protocol, or 0.
func (p pod) port(name, protocol string) int {
	for _, one := range slices.Concat(p.Spec.Containers, p.Spec.InitContainers) {
		for _, port := range one.Ports {
			if port.Name == name && orTCP(port.Protocol) == protocol {
				return port.ContainerPort
			}
		}
	}
	return 0
}

// restricts says whether the policy isolates its pods in this direction.
func (p policy) restricts(direction direction) bool {
	if len(p.Spec.PolicyTypes) > 0 {
		return slices.Contains(p.Spec.PolicyTypes, string(direction))
	}
	return direction == ingress || len(p.Spec.Egress) > 0
}

func (s selector) matches(labels map[string]string) bool {
	for key, value := range s.MatchLabels {
		if has, ok := labels[key]; !ok || has != value {
			return false
		}
	}
	for _, expression := range s.MatchExpressions {
		value, there := labels[expression.Key]
		matched := false
		switch expression.Operator {
		case "In":
			matched = there && slices.Contains(expression.Values, value)
		case "NotIn":
			matched = !there || !slices.Contains(expression.Values, value)
		case "Exists":
			matched = there
		case "DoesNotExist":
			matched = !there
		}
		if !matched {
			return false
		}
	}
	return true
}

func orTCP(protocol string) string {
	if protocol == "" {
		return "TCP"
	}
	return protocol
}
