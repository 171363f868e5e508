package stats

import "math/rand/v2"

// CorrelationTime returns the integrated autocorrelation time of a series, in
// steps: n values of the series tell as much about its mean as n divided by it
// independent ones. It is 1 for white noise, and never less. Estimated by the
// initial positive sequence (Geyer, Practical Markov Chain Monte Carlo, 1992):
// pairs of autocovariances are summed until one is not positive. Noise on top of a
// slow drift does not hide the drift, as it does from the first lag alone.
func CorrelationTime(series []float64) float64 {
	n := len(series)
	if n < 4 {
		return 1
	}
	mean := Mean(series)
	variance := autocovariance(series, mean, 0)
	if variance <= tie*tie {
		return 1
	}
	sum := -variance
	for lag := 0; lag+1 < n/2; lag += 2 {
		pair := autocovariance(series, mean, lag) + autocovariance(series, mean, lag+1)
		if pair <= 0 {
			break
		}
		sum += 2 * pair
	}
	return max(1, sum/variance)
}

func autocovariance(series []float64, mean float64, lag int) float64 {
	var sum float64
	for i := range len(series) - lag {
		sum += (series[i] - mean) * (series[i+lag] - mean)
	}
	return sum / float64(len(series))
}

// Blocks draws the beginnings of as many blocks of the given length as fit into
// n steps. Blocks that reach over the end go on at the beginning.
func Blocks(n, length int, rng *rand.Rand) []int {
	out := make([]int, n/length)
	for i := range out {
		out[i] = rng.IntN(n)
	}
	return out
}
