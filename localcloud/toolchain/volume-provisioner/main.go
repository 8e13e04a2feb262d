// Volume-provisioner makes volumes for the local cluster's claims: folders of a disk that all nodes share.
//
// A volume is there on every node, as a regional disk is in every zone, so a pod finds its data wherever it is placed,
// and a claim of many pods can be met. What a real disk has and a folder has not: a size that is enforced, raw blocks,
// and an owner set by fsGroup; folders are writable by every user instead.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// name is what storage classes call it.
const name = "shared-path.localcloud"

type provisioner struct {
	root string // the shared disk, at the same path here and on the nodes
}

// Provision makes a volume's folder, or finds it made by an attempt that didn't get to the end.
func (p *provisioner) Provision(_ context.Context, options controller.ProvisionOptions) (*v1.PersistentVolume, controller.ProvisioningState, error) {
	claim := options.PVC
	if claim.Spec.Selector != nil {
		return nil, controller.ProvisioningFinished, errors.New("a claim with a selector asks for a volume that exists; remove the selector")
	}
	folder := filepath.Join(p.root, options.PVName)
	if err := os.Mkdir(folder, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, controller.ProvisioningFinished, fmt.Errorf("make the volume's folder: %w", err)
	}
	// Mkdir's mode is cut by the umask.
	if err := os.Chmod(folder, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, fmt.Errorf("open the volume's folder to its users: %w", err)
	}
	policy := v1.PersistentVolumeReclaimDelete
	if options.StorageClass.ReclaimPolicy != nil {
		policy = *options.StorageClass.ReclaimPolicy
	}
	mustExist := v1.HostPathDirectory
	volume := &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: options.PVName},
		Spec: v1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: policy,
			AccessModes:                   claim.Spec.AccessModes,
			MountOptions:                  options.StorageClass.MountOptions,
			Capacity:                      v1.ResourceList{v1.ResourceStorage: claim.Spec.Resources.Requests[v1.ResourceStorage]},
			PersistentVolumeSource: v1.PersistentVolumeSource{
				HostPath: &v1.HostPathVolumeSource{Path: folder, Type: &mustExist},
			},
		},
	}
	return volume, controller.ProvisioningFinished, nil
}

// Delete removes a volume's folder and all that is in it.
func (p *provisioner) Delete(_ context.Context, volume *v1.PersistentVolume) error {
	source := volume.Spec.HostPath
	// Only what Provision made: whoever edits a volume must not have another folder removed.
	if source == nil || source.Path != filepath.Join(p.root, volume.Name) {
		return &controller.IgnoredError{Reason: "the volume isn't a folder of " + p.root}
	}
	return os.RemoveAll(source.Path)
}

func main() {
	klog.InitFlags(nil)
	kubeconfig := flag.String("kubeconfig", "", "the kubeconfig to reach the API server with")
	root := flag.String("root", "", "the disk that all nodes share, at this path on each of them")
	flag.Parse()
	if *kubeconfig == "" || !filepath.IsAbs(*root) {
		klog.Fatal("--kubeconfig and an absolute --root are needed")
	}
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		klog.Fatalf("read the kubeconfig: %v", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		klog.Fatalf("make a client: %v", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// One of it runs, so no lease has to be won; and it tries again for as long as a claim is there.
	controller.NewProvisionController(
		ctx, client, name, &provisioner{root: filepath.Clean(*root)},
		controller.LeaderElection(false),
		controller.FailedProvisionThreshold(0),
		controller.FailedDeleteThreshold(0),
	).Run(ctx)
}
