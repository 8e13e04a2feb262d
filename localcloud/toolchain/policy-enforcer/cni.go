package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
)

// The run-time calls this program as the last plugin of the pods' network, once for each pod that comes or goes. A pod is
// only started when the enforcer of its node has said that its policies are in force: so there is no moment in which it
// could talk to whom it may not, and none in which it can't talk to whom it may.

const (
	attachWithin = 60 * time.Second
	tryAgain     = 11 // the interface's code for "try again later"
)

type request struct {
	Detach bool `json:"detach"`
	attachment
}

type reply struct {
	Problem string `json:"problem"`
}

// plugin is one call by the run-time, as https://www.cni.dev/docs/spec/ has it; it gives the exit code.
func plugin(command string, input io.Reader, output io.Writer) int {
	var configuration struct {
		Version  string          `json:"cniVersion"`
		Socket   string          `json:"socket"`
		Previous json.RawMessage `json:"prevResult"`
	}
	if command == "VERSION" {
		fmt.Fprintln(output, `{"cniVersion": "0.4.0", "supportedVersions": ["0.4.0"]}`)
		return 0
	}
	err := json.NewDecoder(input).Decode(&configuration)
	if err == nil {
		switch command {
		case "ADD":
			err = add(configuration.Socket, configuration.Previous)
		case "DEL":
			// An enforcer that is away has forgotten the pod already; removing one must not wait for it.
			if failed := ask(configuration.Socket, request{Detach: true, attachment: attachment{Container: os.Getenv("CNI_CONTAINERID")}}); failed != nil {
				fmt.Fprintln(os.Stderr, failed)
			}
		}
	}
	if err != nil {
		answer, _ := json.Marshal(map[string]any{"cniVersion": "0.4.0", "code": tryAgain, "msg": err.Error()})
		fmt.Fprintln(output, string(answer))
		return 1
	}
	if command == "ADD" {
		fmt.Fprintln(output, string(configuration.Previous))
	}
	return 0
}

func add(socket string, previous json.RawMessage) error {
	var result struct {
		IPs []struct {
			Address netip.Prefix `json:"address"`
		} `json:"ips"`
	}
	if err := json.Unmarshal(previous, &result); err != nil {
		return fmt.Errorf("the result of the plugin before: %w", err)
	}
	arguments := map[string]string{}
	for _, argument := range strings.Split(os.Getenv("CNI_ARGS"), ";") {
		name, value, _ := strings.Cut(argument, "=")
		arguments[name] = value
	}
	one := attachment{
		Container: os.Getenv("CNI_CONTAINERID"),
		Namespace: arguments["K8S_POD_NAMESPACE"],
		Name:      arguments["K8S_POD_NAME"],
		UID:       arguments["K8S_POD_UID"],
	}
	for _, ip := range result.IPs {
		one.Addresses = append(one.Addresses, ip.Address.Addr())
	}
	if len(one.Addresses) == 0 {
		return errors.New("the plugin before gave the pod no address")
	}
	return ask(socket, request{attachment: one})
}

// ask has the node's enforcer do something, and waits until it is done.
func ask(socket string, what request) error {
	connection, err := net.DialTimeout("unix", socket, 5*time.Second)
	if err != nil {
		return fmt.Errorf("the node's policy enforcer isn't there: %w", err)
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(attachWithin + 5*time.Second)); err != nil {
		return err
	}
	if err := json.NewEncoder(connection).Encode(what); err != nil {
		return err
	}
	var answer reply
	if err := json.NewDecoder(connection).Decode(&answer); err != nil {
		return fmt.Errorf("the node's policy enforcer broke off: %w", err)
	}
	if answer.Problem != "" {
		return errors.New(answer.Problem)
	}
	return nil
}

// serve answers the plugins' questions at a socket.
func serve(ctx context.Context, state *state, socket string) error {
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	context.AfterFunc(ctx, func() { listener.Close() })
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go answer(ctx, state, connection)
	}
}

func answer(ctx context.Context, state *state, connection net.Conn) {
	defer connection.Close()
	ctx, cancel := context.WithTimeout(ctx, attachWithin)
	defer cancel()
	var asked request
	err := json.NewDecoder(connection).Decode(&asked)
	if err == nil && asked.Detach {
		state.detach(asked.Container)
	} else if err == nil {
		err = state.attach(ctx, asked.attachment)
	}
	said := reply{}
	if err != nil {
		log.Print(err)
		said.Problem = err.Error()
	}
	if err := json.NewEncoder(connection).Encode(said); err != nil {
		log.Print(err)
	}
}
