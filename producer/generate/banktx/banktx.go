// Package banktx generates the events of a retail bank's accounts: eight types,
// amounts as decimal strings in cents' precision, a UUID each, below the 1,024
// bytes that a FIFO queue was sized for. Events that settle an earlier one refer
// to it.
package banktx

import (
	"fmt"
	"math/rand/v2"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/render"
)

// Config configures the generator.
type Config struct {
	Accounts int `yaml:"accounts" default:"1000" help:"number of distinct accounts"`
}

// RecordBytes returns the usual size of a record.
func (*Config) RecordBytes() int { return 212 }

// ByKey reports that the partition key, the account, decides the shard.
func (*Config) ByKey() bool { return true }

// New returns the source. Types and accounts come in turn.
func New(c *Config, seed uint64) kload.Source {
	accounts := max(1, c.Accounts)
	return render.New(render.Options{Variants: min(8*accounts, 1<<16), Seed: seed, InOrder: true}, func(d *render.Doc, n int, r *rand.Rand) {
		event(d, n%8, account(n/8), account(r.IntN(accounts)), r)
	})
}

func account(n int) string { return fmt.Sprintf("ACC%08d", n) }

// kinds are the types, and whether one refers to an earlier event.
func kinds() [8]struct {
	name    string
	settles bool
} {
	return [8]struct {
		name    string
		settles bool
	}{
		{"cash_deposit", false},
		{"verify_cash_deposit", true},
		{"cash_withdrawal", false},
		{"incoming_payment", false},
		{"outgoing_payment_unverified", false},
		{"outgoing_payment_verified", true},
		{"outgoing_payment_rejected", true},
		{"inter_account_transfer", false},
	}
}

func event(d *render.Doc, kind int, owner, other string, r *rand.Rand) {
	k := kinds()[kind]
	d.Raw(`{"RequestId":"`).UUID().Raw(`","Type":"` + k.name + `","AccountId":"` + owner + `","Amount":"`).Cents(100 + r.Int64N(1_000_000))
	d.Raw(`","Currency":"EUR","Timestamp":"`).ISO(0).Raw(`"`)
	if k.settles {
		d.Raw(`,"PreviousRequestIdReference":"`).UUID().Raw(`"`)
	}
	if k.name == "inter_account_transfer" {
		d.Raw(`,"ToAccountId":"` + other + `"`)
	}
	d.Raw(`}`).SetKey(owner)
}
