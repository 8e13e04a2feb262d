// Conformance runs cyclonus's generated test cases: it makes policies, sends real packets between real pods, and compares
// what got through with what cyclonus's own model of network policies says of it. Exits with 1 if anything differs.
//
// Cyclonus's command runs one program in a pod for each connection, which takes minutes for a case; this uses its packages
// in the way that they have for doing all of a pod's connections at once.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/mattfenwick/cyclonus/pkg/connectivity"
	"github.com/mattfenwick/cyclonus/pkg/connectivity/probe"
	"github.com/mattfenwick/cyclonus/pkg/generator"
	"github.com/mattfenwick/cyclonus/pkg/kube"
	"github.com/sirupsen/logrus"
	v1 "k8s.io/api/core/v1"
)

var (
	namespaces = []string{"x", "y", "z"}
	pods       = []string{"a", "b", "c"}
	ports      = []int{80, 81}
	protocols  = []v1.Protocol{v1.ProtocolTCP, v1.ProtocolUDP}
)

// cluster is cyclonus's view of a cluster, but for the pods' image.
type cluster struct {
	kube.IKubernetes
	image string
}

func (c cluster) CreatePod(pod *v1.Pod) (*v1.Pod, error) {
	no := false
	pod.Spec.AutomountServiceAccountToken = &no
	for number := range pod.Spec.Containers {
		pod.Spec.Containers[number].Image = c.image
	}
	return c.IKubernetes.CreatePod(pod)
}

func main() {
	image := flag.String("image", "", "the pods' image, with /agnhost and /worker")
	from := flag.Int("from", 0, "number of the first case")
	step := flag.Int("every", 1, "run every n-th case")
	list := flag.Bool("list", false, "only say which cases there are")
	flag.Parse()
	// Pods that are made, and packets that are lost, are worth no line each.
	logrus.SetOutput(io.Discard)
	different, err := run(*image, *from, *step, *list)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if different > 0 {
		os.Exit(1)
	}
}

func run(image string, from, every int, list bool) (int, error) {
	if list {
		for number, one := range cases("10.0.0.1") {
			fmt.Println(number, one.Description, strings.Join(one.Tags.Keys(), " "))
		}
		return 0, nil
	}
	client, err := kube.NewKubernetesForContext("")
	if err != nil {
		return 0, err
	}
	there := cluster{client, image}
	resources, err := probe.NewDefaultResources(there, namespaces, pods, ports, protocols, nil, 300, true, "")
	if err != nil {
		return 0, err
	}
	last, err := resources.GetPod("z", "c")
	if err != nil {
		return 0, err
	}
	interpreter := connectivity.NewInterpreter(there, resources, &connectivity.InterpreterConfig{
		ResetClusterBeforeTestCase:       true,
		VerifyClusterStateBeforeTestCase: true,
		KubeProbeRetries:                 3,
		PerturbationWaitSeconds:          0, // a probe that comes too early is repeated
		BatchJobs:                        true,
		IgnoreLoopback:                   true,
	})
	different := 0
	for number, one := range cases(last.IP) {
		if number < from || (number-from)%every != 0 {
			continue
		}
		for _, step := range one.Steps {
			// Through the Services' addresses in every second case: policies see what is behind them.
			step.Probe.Mode = generator.ProbeModePodIP
			if number%2 == 1 && !changesPods(one) {
				step.Probe.Mode = generator.ProbeModeServiceIP
			}
		}
		result := interpreter.ExecuteTestCase(one)
		if result.Err != nil {
			return 0, fmt.Errorf("case %d, %s: %w", number, one.Description, result.Err)
		}
		if result.Passed(true) {
			fmt.Println("agrees", number, one.Description)
			continue
		}
		different++
		fmt.Println("differs", number, one.Description)
		for _, step := range result.Steps {
			fmt.Println(step.LastComparison().RenderSuccessTable())
		}
	}
	return different, nil
}

// cases are all of cyclonus's but those about SCTP, which not every kernel speaks.
func cases(address string) []*generator.TestCase {
	made := generator.NewTestCaseGenerator(true, address, namespaces, nil, []string{generator.TagSCTPProtocol})
	return made.GenerateTestCases()
}

// changesPods says whether a case makes or removes pods: they have no Services.
func changesPods(one *generator.TestCase) bool {
	return slices.ContainsFunc(one.Tags.Keys(), func(tag string) bool {
		return slices.Contains([]string{generator.TagCreatePod, generator.TagDeletePod, generator.TagCreateNamespace, generator.TagDeleteNamespace}, tag)
	})
}
