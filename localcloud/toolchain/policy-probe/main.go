// Policy-probe is both ends of the connections by which tests find out what network policies let through.
//
//	policy-probe serve tcp:8080 udp:8080 …     answers on these ports
//	policy-probe first tcp 10.244.1.2:8080     tries from its first moment, again and again, and prints what came of it
//	policy-probe hold tcp 10.244.1.2:8080      makes one connection, uses it again and again, and prints what came of it
//	policy-probe ask '[{"protocol": "tcp", "address": "10.244.1.2:8080"}, …]'    tries them all at once; prints true or false
//
// Called as /agnhost and as /worker it takes as much of the arguments of cyclonus's own two programs as cyclonus uses.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// patience is what a try waits for an answer; a second try follows a first one in vain, since packets get lost as well.
const patience = time.Second

type target struct {
	Protocol string `json:"protocol"`
	Address  string `json:"address"`
}

func main() {
	log.SetFlags(0)
	if err := run(filepath.Base(os.Args[0]), os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(name string, arguments []string) error {
	if name == "worker" && len(arguments) == 2 {
		return work(arguments[1])
	}
	if name == "agnhost" {
		return agnhost(arguments)
	}
	if len(arguments) > 1 {
		switch arguments[0] {
		case "serve":
			return serve(arguments[1:])
		case "first":
			return first(target{arguments[1], arguments[2]})
		case "hold":
			return hold(target{arguments[1], arguments[2]})
		case "ask":
			return ask(arguments[1])
		}
	}
	return errors.New("say serve, first, hold or ask")
}

// serve answers on ports with the pod's name, for ever.
func serve(ports []string) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	failed := make(chan error)
	for _, port := range ports {
		protocol, number, _ := strings.Cut(port, ":")
		if protocol == "udp" {
			go func() { failed <- serveUDP(":"+number, host) }()
		} else {
			go func() { failed <- serveTCP(":"+number, host) }()
		}
	}
	return <-failed
}

func serveTCP(address, host string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer connection.Close()
			fmt.Fprintln(connection, host)
			// Whatever comes is sent back, for as long as the other side likes.
			if _, err := io.Copy(connection, connection); err != nil {
				log.Print(err)
			}
		}()
	}
}

func serveUDP(address, host string) error {
	connection, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	packet := make([]byte, 1500)
	for {
		_, from, err := connection.ReadFrom(packet)
		if err != nil {
			return err
		}
		if _, err := connection.WriteTo([]byte(host), from); err != nil {
			log.Print(err)
		}
	}
}

// reach tries once.
func reach(one target) error {
	connection, err := net.DialTimeout(one.Protocol, one.Address, patience)
	if err != nil {
		return err
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if one.Protocol == "udp" {
		if _, err := connection.Write([]byte("who?")); err != nil {
			return err
		}
	}
	_, err = connection.Read(make([]byte, 100))
	return err
}

func reachable(targets []target) []bool {
	found := make([]bool, len(targets))
	group := sync.WaitGroup{}
	for number, one := range targets {
		group.Go(func() { found[number] = reach(one) == nil || reach(one) == nil })
	}
	group.Wait()
	return found
}

func ask(text string) error {
	var targets []target
	if err := json.Unmarshal([]byte(text), &targets); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(reachable(targets))
}

// first begins a try every ten milliseconds without waiting for the last one, and prints a line for each as it ends: when
// it began, in milliseconds of the clock, and whether there was an answer.
func first(one target) error {
	for {
		go func(begun time.Time) {
			fmt.Printf("%d %t\n", begun.UnixMilli(), reach(one) == nil)
		}(time.Now())
		time.Sleep(10 * time.Millisecond)
	}
}

// hold prints such a line for each time that something was sent and came back, until nothing does.
func hold(one target) error {
	connection, err := net.DialTimeout(one.Protocol, one.Address, patience)
	if err != nil {
		return err
	}
	answer := make([]byte, 100)
	for {
		begun := time.Now()
		if err := connection.SetDeadline(begun.Add(10 * patience)); err != nil {
			return err
		}
		if _, err := connection.Write([]byte("still there?")); err != nil {
			return err
		}
		if _, err := connection.Read(answer); err != nil {
			return err
		}
		fmt.Printf("%d true\n", begun.UnixMilli())
		time.Sleep(10 * time.Millisecond)
	}
}

// agnhost has the servers: serve-hostname --tcp|--udp --http=false --port N.
func agnhost(arguments []string) error {
	protocol, port := "tcp", ""
	for number, argument := range arguments {
		switch argument {
		case "--udp":
			protocol = "udp"
		case "--port":
			port = arguments[number+1]
		}
	}
	return serve([]string{protocol + ":" + port})
}

// work has the batches: --jobs '{"Requests": [{"Protocol": "TCP", "Host": …, "Port": …}, …]}'.
func work(text string) error {
	type request struct {
		Key, Protocol, Host string
		Port                int
	}
	type result struct {
		Request request
		Output  string
		Error   string
	}
	var batch struct{ Requests []request }
	if err := json.Unmarshal([]byte(text), &batch); err != nil {
		return err
	}
	var targets []target
	for _, one := range batch.Requests {
		targets = append(targets, target{strings.ToLower(one.Protocol), net.JoinHostPort(one.Host, fmt.Sprint(one.Port))})
	}
	results := []result{}
	for number, found := range reachable(targets) {
		one := result{Request: batch.Requests[number]}
		if !found {
			one.Error = "no answer"
		}
		results = append(results, one)
	}
	return json.NewEncoder(os.Stdout).Encode(results)
}
