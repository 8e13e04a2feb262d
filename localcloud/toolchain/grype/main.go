// Writes a small vulnerability database for tests, in the form that grype itself reads and writes.
//
// Advisories come as JSON on standard input; the folder that is named gets the database.
package main

import (
	"encoding/json"
	"log"
	"os"
	"time"

	v6 "github.com/anchore/grype/grype/db/v6"
)

type advisory struct {
	ID        string `json:"id"`
	Severity  string `json:"severity"`
	Ecosystem string `json:"ecosystem"`
	Package   string `json:"package"`
	Below     string `json:"below"` // versions below this one are affected
	Fixed     bool   `json:"fixed"` // whether that one is out
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: grype-database FOLDER < advisories.json")
	}
	if err := write(os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func write(folder string) error {
	var advisories []advisory
	if err := json.NewDecoder(os.Stdin).Decode(&advisories); err != nil {
		return err
	}
	database, err := v6.NewWriter(v6.Config{DBDirPath: folder})
	if err != nil {
		return err
	}
	if err := database.SetDBMetadata(); err != nil {
		return err
	}
	now := time.Now()
	provider := &v6.Provider{ID: "github", Version: "1", Processor: "test", DateCaptured: &now, InputDigest: "none"}
	for _, each := range advisories {
		fix := &v6.Fix{State: v6.NotFixedStatus}
		if each.Fixed {
			fix = &v6.Fix{State: v6.FixedStatus, Version: each.Below}
		}
		vulnerability := &v6.VulnerabilityHandle{
			Name:     each.ID,
			Status:   v6.VulnerabilityActive,
			Provider: provider,
			BlobValue: &v6.VulnerabilityBlob{
				ID:         each.ID,
				Severities: []v6.Severity{{Scheme: v6.SeveritySchemeCHMLN, Value: each.Severity}},
			},
		}
		if err := database.AddVulnerabilities(vulnerability); err != nil {
			return err
		}
		affected := &v6.AffectedPackageHandle{
			Vulnerability: vulnerability,
			Package:       &v6.Package{Ecosystem: each.Ecosystem, Name: each.Package},
			BlobValue: &v6.PackageBlob{
				Ranges: []v6.Range{{Version: v6.Version{Constraint: "<" + each.Below}, Fix: fix}},
			},
		}
		if err := database.AddAffectedPackages(affected); err != nil {
			return err
		}
	}
	return database.Close()
}
