package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// networkTime is how long a pod may take until it has a network; an image isn't waited for.
const networkTime = 5 * time.Minute

type driver struct {
	csi.UnimplementedNodeServer
	node, gcsfuse, authority, resolver string

	lock    sync.Mutex
	mounted map[string]context.CancelFunc // by the place in the pod
}

func (d *driver) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: d.node}, nil
}

func (d *driver) NodeGetCapabilities(
	context.Context, *csi.NodeGetCapabilitiesRequest,
) (*csi.NodeGetCapabilitiesResponse, error) {
	return &csi.NodeGetCapabilitiesResponse{}, nil
}

func (d *driver) NodePublishVolume(
	_ context.Context, request *csi.NodePublishVolumeRequest,
) (*csi.NodePublishVolumeResponse, error) {
	target, bucket := request.TargetPath, request.VolumeId
	if bucket == "" || target == "" {
		return nil, status.Error(codes.InvalidArgument, "a volume has the name of a bucket, and a place")
	}
	uid := request.VolumeContext["csi.storage.k8s.io/pod.uid"]
	if uid == "" {
		return nil, status.Error(codes.InvalidArgument, "kubelet doesn't say whose it is: the CSIDriver needs podInfoOnMount")
	}
	d.lock.Lock()
	defer d.lock.Unlock()
	if _, there := d.mounted[target]; there {
		return &csi.NodePublishVolumeResponse{}, nil
	}
	_ = unix.Unmount(target, unix.MNT_DETACH) // of a driver that was here before
	if err := os.MkdirAll(target, 0o750); err != nil {
		return nil, err
	}
	options, settings, err := arguments(request.VolumeCapability.GetMount().GetMountFlags())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	file := filepath.Join(os.TempDir(), uid+"-"+bucket+".yaml")
	if err := os.WriteFile(file, settings, 0o600); err != nil {
		return nil, err
	}
	device, err := mountDevice(target, bucket, request.Readonly)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	if d.mounted == nil {
		d.mounted = map[string]context.CancelFunc{}
	}
	d.mounted[target] = cancel
	go d.serve(ctx, device, uid, bucket, append(options, "--config-file="+file))
	return &csi.NodePublishVolumeResponse{}, nil
}

func (d *driver) NodeUnpublishVolume(
	_ context.Context, request *csi.NodeUnpublishVolumeRequest,
) (*csi.NodeUnpublishVolumeResponse, error) {
	d.lock.Lock()
	defer d.lock.Unlock()
	// gcsfuse puts what it holds into the bucket, and ends by itself when its file system is gone.
	if err := unix.Unmount(request.TargetPath, 0); err != nil && err != unix.EINVAL && err != unix.ENOENT {
		_ = unix.Unmount(request.TargetPath, unix.MNT_DETACH)
	}
	if err := os.RemoveAll(request.TargetPath); err != nil {
		return nil, err
	}
	if end, there := d.mounted[request.TargetPath]; there {
		end()
		delete(d.mounted, request.TargetPath)
	}
	return &csi.NodeUnpublishVolumeResponse{}, nil
}

// mountDevice mounts a file system that nobody serves yet, and gives what it is to be served at.
func mountDevice(target, bucket string, readonly bool) (*os.File, error) {
	device, err := os.OpenFile("/dev/fuse", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	options := fmt.Sprintf("fd=%d,rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other", device.Fd())
	flags := uintptr(unix.MS_NODEV | unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NOATIME)
	if readonly {
		flags |= unix.MS_RDONLY
	}
	if err := unix.Mount(bucket, target, "fuse", flags, options); err != nil {
		device.Close()
		return nil, fmt.Errorf("%s can't be mounted at %s: %w", bucket, target, err)
	}
	return device, nil
}

// serve has gcsfuse answer what is asked of the file system, from within the pod's network.
func (d *driver) serve(ctx context.Context, device *os.File, uid, bucket string, options []string) {
	defer device.Close()
	network, err := networkOf(ctx, uid)
	if err != nil {
		log.Printf("%s: %v", bucket, err)
		return
	}
	defer network.Close()
	// Buckets with real folders have an interface of their own, which what stands in for Google has not.
	words := append([]string{"--foreground", "--enable-hns=false", "--log-format=text", "--log-severity=warning"}, options...)
	gcsfuse := exec.Command(d.gcsfuse, append(words, bucket, "/dev/fd/3")...)
	gcsfuse.ExtraFiles = []*os.File{device}
	gcsfuse.Stdout, gcsfuse.Stderr = os.Stdout, os.Stderr
	gcsfuse.Env = []string{"HOME=/tmp", "TMPDIR=/tmp", "PATH=/", "SSL_CERT_FILE=" + d.authority}
	started := make(chan error)
	go func() {
		// A process has the network and the mounts of the thread that starts it. The thread goes with this function.
		runtime.LockOSThread()
		if err := enter(network, d.resolver); err != nil {
			started <- err
			return
		}
		started <- gcsfuse.Start()
	}()
	if err := <-started; err != nil {
		log.Printf("%s: %v", bucket, err)
		return
	}
	device.Close() // gcsfuse's alone: the file system ends with it
	ended := make(chan error, 1)
	go func() { ended <- gcsfuse.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			log.Printf("%s for pod %s: gcsfuse ended: %v", bucket, uid, err)
		}
	case <-ctx.Done():
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			_ = gcsfuse.Process.Kill()
			<-ended
		}
	}
}

// enter has the thread be in a pod's network, and ask the cluster's name servers. What is unmounted elsewhere is unmounted
// for it, too: its mounts follow the node's.
func enter(network *os.File, resolver string) error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return err
	}
	if err := unix.Mount(resolver, "/etc/resolv.conf", "", unix.MS_BIND, ""); err != nil {
		return err
	}
	return unix.Setns(int(network.Fd()), unix.CLONE_NEWNET)
}

// networkOf waits for the pod's network: that of a process in its control group.
func networkOf(ctx context.Context, uid string) (*os.File, error) {
	ctx, cancel := context.WithTimeout(ctx, networkTime)
	defer cancel()
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return nil, err
	}
	for {
		groups, _ := filepath.Glob("/proc/[0-9]*/cgroup")
		for _, file := range groups {
			text, err := os.ReadFile(file)
			if err != nil || !strings.Contains(string(text), "/pod"+uid+"/") {
				continue
			}
			path := filepath.Dir(file) + "/ns/net"
			if at, err := os.Readlink(path); err == nil && at != own {
				return os.Open(path)
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("pod %s has no network", uid)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// arguments turns a volume's mountOptions into gcsfuse's, as GKE's driver takes them: `file-mode=640` is an option of the
// command's, `write:enable-streaming-writes:false` a path and a value in its file of settings, which is given as YAML.
func arguments(flags []string) (options []string, settings []byte, err error) {
	file := map[string]any{}
	for _, flag := range flags {
		for option := range strings.SplitSeq(flag, ",") {
			keys := strings.Split(option, ":")
			if len(keys) == 1 {
				options = append(options, "--"+option)
				continue
			}
			place, last := file, len(keys)-2
			for _, key := range keys[:last] {
				if place[key] == nil {
					place[key] = map[string]any{}
				}
				inner, nested := place[key].(map[string]any)
				if !nested {
					return nil, nil, fmt.Errorf("%s: %s has a value already", option, key)
				}
				place = inner
			}
			var value any = keys[last+1]
			_ = json.Unmarshal([]byte(keys[last+1]), &value) // a number or a truth; else the word
			place[keys[last]] = value
		}
	}
	settings, err = json.Marshal(file) // which is YAML
	return options, settings, err
}
