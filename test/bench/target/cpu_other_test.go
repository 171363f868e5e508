//go:build !linux

package target_test

import (
	"errors"
	"time"
)

func cpuOf(int) (time.Duration, error) { return 0, errors.ErrUnsupported }
