package drivertest

import (
	"math/rand/v2"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

func always(a Answer) Script {
	return func(int, []types.PutRecordsRequestEntry) Answer { return a }
}

// until gives the answer to the first n calls; later ones succeed.
func until(n int, a Answer) Script {
	return func(call int, _ []types.PutRecordsRequestEntry) Answer {
		if call < n {
			return a
		}
		return Answer{}
	}
}

// every gives each nth entry an error code.
func every(n int, code string) func(int) string {
	return func(i int) string {
		if i%n == 0 {
			return code
		}
		return ""
	}
}

func rainy(seed uint64) Script { return Weather(seed, 0.5) }

// Weather fails calls at random, in every way there is, with the given
// probability; the answers take up to 50 ms.
func Weather(seed uint64, bad float64) Script {
	r := rand.New(rand.NewPCG(seed, 0x776561746865))
	return func(_ int, entries []types.PutRecordsRequestEntry) Answer {
		a := Answer{After: time.Duration(r.Int64N(int64(50 * time.Millisecond)))}
		if r.Float64() >= bad {
			return a
		}
		switch kind := r.IntN(7); kind {
		case 0:
			a.Err = APIError(CodeThrottled)
		case 1:
			a.Err, a.Commit = APIError(CodeInternal), r.IntN(2) == 0
		case 2:
			a.Hang, a.Commit = true, r.IntN(2) == 0
		case 3:
			a.Err, a.Commit = Cut(), r.IntN(2) == 0
		case 4:
			a.Err = Refused()
		default:
			code := CodeThrottled
			if kind == 6 {
				code, a.Commit = CodeInternal, r.IntN(2) == 0
			}
			failed := make([]bool, len(entries))
			for i := range failed {
				failed[i] = r.IntN(2) == 0
			}
			a.Code = func(i int) string {
				if failed[i] {
					return code
				}
				return ""
			}
		}
		return a
	}
}
