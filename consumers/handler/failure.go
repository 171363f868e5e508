package handler

import (
	"hash/fnv"
	"time"

	"github.com/kload/kload"
)

// chosen reports whether the handler is to fail on the record looked at.
func (e *evaluator) chosen() (bool, error) {
	f := &e.c.FailOn
	if f.none() {
		return false, nil
	}
	if e.when != nil {
		if yes, err := e.when.holds(); err != nil || !yes {
			return false, err
		}
	}
	return f.Share == 0 || e.draw() < f.Share.Fraction(), nil
}

// draw returns a number in [0, 1) that is always the same for the same record and
// seed, whoever reads it and how often.
func (e *evaluator) draw() float64 {
	a, b := uint64(e.user.Producer), e.user.Seq
	if s := e.stream(); !e.user.Traced && s != nil {
		h := fnv.New64a()
		h.Write([]byte(s.Sequence))
		a, b = h.Sum64(), uint64(e.user.Sub)
	}
	return float64(mix(mix(e.seed^a)^b)>>11) / (1 << 53)
}

// mix is the finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// attempt tries to handle a record, and again where that is set, and reports
// whether it came to a good end. An error is that of the batch.
func (e *evaluator) attempt(failing bool) (good bool, err error) {
	if !failing {
		e.attempts++
		return true, nil
	}
	failed := 1
	switch on := &e.c.OnError; on.Do {
	case fail:
		err = e.failedOn("fail_on", ErrFailed)
	case retry:
		failed = on.Attempts
		if times := e.c.FailOn.Times; times > 0 && times < on.Attempts {
			failed, good = times, true
		}
	}
	tries := failed
	if good {
		tries++
	}
	e.attempts += uint64(tries)
	e.failed += uint64(failed)
	e.retries += uint64(tries - 1)
	e.waiting += time.Duration(tries-1) * e.c.OnError.Backoff
	return good, err
}

// unable settles a record whose expressions cannot be evaluated. Trying again
// would change nothing.
func (e *evaluator) unable(setting string, err error) (kload.HandlerResult, error) {
	e.expression++
	e.maker.keep()
	err = e.failedOn(setting, err)
	if e.c.OnError.Do != fail {
		err = nil
	}
	return kload.DeadLettered, err
}

// failedOn notes a failed record to be reported, and returns the error.
func (e *evaluator) failedOn(setting string, err error) error {
	if len(e.failures) < samples {
		f := Failure{Setting: setting, Shard: e.batch.Partition, Sub: e.user.Sub, Err: err}
		if s := e.stream(); s != nil {
			f.Sequence = s.Sequence
		}
		e.failures = append(e.failures, f)
	}
	return err
}
