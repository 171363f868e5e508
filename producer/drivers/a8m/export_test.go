package a8m

import "io"

// Decoders are what reads bytes that come from the other process or from the
// library: each returns what it understood, written again, and whether it did.
func Decoders() map[string]func([]byte) ([]byte, bool) {
	return map[string]func([]byte) ([]byte, bool){
		"outcome": func(b []byte) ([]byte, bool) {
			d, err := parseDecided(b)
			return d.append(nil), err == nil
		},
		"aggregate": func(b []byte) ([]byte, bool) {
			users := split(b)
			var all []byte
			for _, u := range users {
				all = append(all, u...)
			}
			return all, users != nil
		},
	}
}

// ReadFrame reads one frame.
func ReadFrame(r io.Reader) (byte, []byte, error) { return readFrame(r) }
