// Package accesscard generates the events of linking employees to access cards:
// low in volume, below 1 KiB, each with the SHA-256 of employee and card as the
// request's id, so that a repeated link has the same id.
package accesscard

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/render"
)

// Config configures the generator.
type Config struct {
	Employees int `yaml:"employees" default:"1000" help:"number of distinct employees, each with one card"`
}

// RecordBytes returns the usual size of a record.
func (*Config) RecordBytes() int { return 300 }

// ByKey reports that the partition key, the employee's id, decides the shard.
func (*Config) ByKey() bool { return true }

// New returns the source. Employees come in turn.
func New(c *Config, seed uint64) kload.Source {
	return render.New(render.Options{Variants: min(max(c.Employees, 1), 1<<16), Seed: seed, InOrder: true}, link)
}

func link(d *render.Doc, n int, r *rand.Rand) {
	employee, card := fmt.Sprintf("E%06d", n), fmt.Sprintf("C%010d", r.Int64N(1e10))
	id := sha256.Sum256([]byte(employee + "-" + card))
	campus := [...]string{"North", "South", "East", "West"}[r.IntN(4)]
	d.Raw(`{"EmployeeId":"` + employee + `","CardId":"` + card + `","CompleteOnboarding":`)
	d.Raw([...]string{"true", "false"}[r.IntN(2)])
	d.Raw(`,"LinkedBy":{"Username":"clerk`).Int(r.Int64N(20)).Raw(`","CognitoId":"`).UUID().Raw(`"},"LinkedTimestamp":"`).ISO(0)
	d.Raw(`","RequestId":"` + hex.EncodeToString(id[:]) + `","Campus":"` + campus + `"}`)
	d.SetKey(employee)
}
