package dataset

// Sorted sorts lines by times, with so many bytes in memory at once.
func Sorted(limit int, times []int64, lines []string) (out []string, err error) {
	s := sorter{limit: limit}
	for i, line := range lines {
		if err := s.add(times[i], []byte(line)); err != nil {
			return nil, err
		}
	}
	err = s.each(func(_ int64, line []byte) error {
		out = append(out, string(line))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, s.close()
}
