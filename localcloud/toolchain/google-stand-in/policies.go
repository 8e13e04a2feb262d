package main

import (
	"encoding/json"
	"os"
	"slices"
)

// roles are Google's own of Cloud Storage, with those of their permissions that are asked for here:
// https://cloud.google.com/storage/docs/access-control/iam-roles
var roles = map[string][]string{
	"roles/storage.admin": {
		"buckets.delete", "buckets.get", "buckets.update",
		"objects.create", "objects.delete", "objects.get", "objects.list", "objects.move",
		"objects.update",
	},
	"roles/storage.objectAdmin":        {"objects.create", "objects.delete", "objects.get", "objects.list", "objects.move", "objects.update"},
	"roles/storage.objectUser":         {"objects.create", "objects.delete", "objects.get", "objects.list", "objects.move", "objects.update"},
	"roles/storage.objectViewer":       {"objects.get", "objects.list"},
	"roles/storage.objectCreator":      {"objects.create"},
	"roles/storage.bucketViewer":       {"buckets.get"},
	"roles/storage.legacyBucketReader": {"buckets.get", "objects.list"},
	"roles/storage.legacyBucketWriter": {"buckets.get", "objects.create", "objects.delete", "objects.list"},
	"roles/storage.legacyBucketOwner": {
		"buckets.get", "buckets.update", "objects.create", "objects.delete", "objects.list",
	},
	"roles/storage.legacyObjectReader": {"objects.get"},
	"roles/storage.legacyObjectOwner":  {"objects.get", "objects.update"},
}

const (
	ofBucket  = "gcp:storage/bucketIAMMember:BucketIAMMember"
	ofProject = "gcp:projects/iAMMember:IAMMember"
	aBucket   = "gcp:storage/bucket:Bucket"
)

// policies are the simulated Google Cloud's, as they are when they are asked for: one file (plugins/gcp/cloud.py).
type policies struct {
	file string
}

type thing struct {
	Inputs struct {
		Bucket    string `json:"bucket"`
		Project   string `json:"project"`
		Role      string `json:"role"`
		Member    string `json:"member"`
		Condition any    `json:"condition"`
	} `json:"inputs"`
}

// allows says whether a principal has a permission on a bucket, by the bucket's policy or its project's.
func (p policies) allows(principal, permission, bucket string) (bool, error) {
	text, err := os.ReadFile(p.file)
	if os.IsNotExist(err) {
		return false, nil // there is no cloud yet
	}
	if err != nil {
		return false, err
	}
	var cloud struct {
		Things map[string]json.RawMessage `json:"things"`
	}
	if err := json.Unmarshal(text, &cloud); err != nil {
		return false, err
	}
	of := func(token string) (found map[string]thing, err error) {
		if raw, there := cloud.Things[token]; there {
			err = json.Unmarshal(raw, &found)
		}
		return found, err
	}
	buckets, err := of(aBucket)
	if err != nil {
		return false, err
	}
	for token, on := range map[string]func(thing) bool{
		ofBucket:  func(each thing) bool { return each.Inputs.Bucket == bucket },
		ofProject: func(each thing) bool { return each.Inputs.Project == buckets[bucket].Inputs.Project },
	} {
		bindings, err := of(token)
		if err != nil {
			return false, err
		}
		for _, each := range bindings {
			given := each.Inputs.Member == principal && each.Inputs.Condition == nil
			if given && on(each) && slices.Contains(roles[each.Inputs.Role], permission) {
				return true, nil
			}
		}
	}
	return false, nil
}
