package render

import (
	"encoding/binary"
	"encoding/hex"
	"time"
)

// timeText renders times. It keeps the texts of two days, an even and an odd one:
// nearly all records lie in one, or around one midnight.
type timeText struct {
	days [2]dayText
}

type dayText struct {
	day  int64 // since 1970
	text [len(time.DateOnly)]byte
}

const dayNs = int64(24 * time.Hour)

// appendMillis appends the Unix time ns in UTC to the millisecond, with the
// separator between date and time of day. Times before 1970 count as 1970.
func (t *timeText) appendMillis(dst []byte, ns int64, separator byte) []byte {
	ns = max(0, ns)
	day := ns / dayNs
	c := &t.days[day%2]
	if c.day != day || c.text[0] == 0 {
		c.day = day
		time.Unix(0, day*dayNs).UTC().AppendFormat(c.text[:0], time.DateOnly)
	}
	ms := uint32((ns - day*dayNs) / 1e6)
	sec := ms / 1000
	ms -= sec * 1000
	minute := sec / 60
	sec -= minute * 60
	hour := minute / 60
	minute -= hour * 60
	text := [...]byte{
		10: separator, byte('0' + hour/10), byte('0' + hour%10), ':', byte('0' + minute/10), byte('0' + minute%10), ':',
		byte('0' + sec/10), byte('0' + sec%10), '.', byte('0' + ms/100), byte('0' + ms/10%10), byte('0' + ms%10),
	}
	copy(text[:], c.text[:])
	return append(dst, text[:]...)
}

// appendThree appends the last three digits of n.
func appendThree(dst []byte, n uint64) []byte {
	return append(dst, byte('0'+n/100%10), byte('0'+n/10%10), byte('0'+n%10))
}

// appendUUID appends 128 random bits as a UUID of version 4 (RFC 9562).
func appendUUID(dst []byte, hi, lo uint64) []byte {
	var raw [16]byte
	binary.BigEndian.PutUint64(raw[:8], hi&^0xf000|0x4000)
	binary.BigEndian.PutUint64(raw[8:], lo&^(3<<62)|1<<63)
	var text [36]byte
	hex.Encode(text[:8], raw[:4])
	hex.Encode(text[9:13], raw[4:6])
	hex.Encode(text[14:18], raw[6:8])
	hex.Encode(text[19:23], raw[8:10])
	hex.Encode(text[24:], raw[10:])
	text[8], text[13], text[18], text[23] = '-', '-', '-', '-'
	return append(dst, text[:]...)
}
