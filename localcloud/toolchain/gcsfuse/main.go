// Gcsfuse-csi-driver stands in for GKE's driver of Cloud Storage FUSE (gcsfuse.csi.storage.gke.io) on a node: kubelet asks
// it to mount a bucket into a pod, and it has gcsfuse, the real one, do it in the pod's network, as the pod's account.
//
// GKE's puts gcsfuse into a container of the pod, which a webhook adds. Here it is a process of the node's that enters the
// pod's network: what the pod's policies forbid is forbidden, and who asks Google is the pod. It is not held to the
// pod's limits, and the annotations that set that container's are not read; but for gke-gcsfuse/volumes, without which
// GKE mounts nothing.
//
// A volume is mounted before its pod has a network. So the file system is mounted at once, as GKE's driver does it, and
// answers when the pod's network is there.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"os"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

const name = "gcsfuse.csi.storage.gke.io"

func main() {
	log.SetFlags(0)
	node := flag.String("node", "", "name of this node")
	kubelet := flag.String("kubelet", "/var/lib/kubelet", "kubelet's folder")
	gcsfuse := flag.String("gcsfuse", "", "the program")
	authority := flag.String("authority", "", "file with the certificate that signed Cloud Storage's")
	resolver := flag.String("resolver", "", "file with the cluster's name servers, as resolv.conf")
	flag.Parse()

	folder := *kubelet + "/plugins/" + name
	if err := os.MkdirAll(folder, 0o750); err != nil {
		log.Fatal(err)
	}
	endpoint := folder + "/csi.sock"
	failed := make(chan error)
	serve := func(socket string, register func(*grpc.Server)) {
		_ = os.Remove(socket)
		listener, err := net.Listen("unix", socket)
		if err != nil {
			log.Fatal(err)
		}
		server := grpc.NewServer()
		register(server)
		go func() { failed <- server.Serve(listener) }()
	}
	serve(endpoint, func(server *grpc.Server) {
		csi.RegisterIdentityServer(server, identity{})
		csi.RegisterNodeServer(server, &driver{
			node: *node, gcsfuse: *gcsfuse, authority: *authority, resolver: *resolver,
		})
	})
	// Kubelet sees this one appear, and asks who it is.
	serve(*kubelet+"/plugins_registry/"+name+"-reg.sock", func(server *grpc.Server) {
		registration.RegisterRegistrationServer(server, registrar{endpoint: endpoint})
	})
	log.Fatal(<-failed)
}

type registrar struct {
	registration.UnsafeRegistrationServer
	endpoint string
}

func (r registrar) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type: registration.CSIPlugin, Name: name, Endpoint: r.endpoint, SupportedVersions: []string{"1.0.0"},
	}, nil
}

func (registrar) NotifyRegistrationStatus(
	_ context.Context, status *registration.RegistrationStatus,
) (*registration.RegistrationStatusResponse, error) {
	if !status.PluginRegistered {
		log.Fatalf("kubelet doesn't take it: %s", status.Error)
	}
	return &registration.RegistrationStatusResponse{}, nil
}

type identity struct {
	csi.UnimplementedIdentityServer
}

func (identity) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: name, VendorVersion: "stand-in"}, nil
}

func (identity) GetPluginCapabilities(
	context.Context, *csi.GetPluginCapabilitiesRequest,
) (*csi.GetPluginCapabilitiesResponse, error) {
	return &csi.GetPluginCapabilitiesResponse{}, nil
}

func (identity) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{}, nil
}
