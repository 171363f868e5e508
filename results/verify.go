package results

import "github.com/kload/kload/internal/ledger"

// VerifySchema identifies the format of verify.json.
const VerifySchema = "kload/verify/v1"

// Verify is the content of verify.json: the books of a run with the records that
// verdicts are about, as ranges of sequence numbers of their producers. A list has
// at most 1000 ranges, and counts the records that it leaves out. Fields are only
// ever added.
type Verify struct {
	Schema string `json:"schema"`
	RunID  string `json:"run_id"`
	ledger.Report
}
