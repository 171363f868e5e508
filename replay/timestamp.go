package replay

import "math"

const second = int64(1e9)

// The whole years that Unix time in int64 nanoseconds covers, 1678 to 2261 in UTC,
// in seconds.
const (
	earliest = -9214560000
	latest   = 9214646400 - 1
)

// parseTime reads a time in RFC 3339 form, such as 2023-05-08T04:00:35.000Z, as
// Unix nanoseconds. The date may be followed by a space instead of the T, the
// seconds by up to nine decimals, and the zone (Z or ±hh:mm) may be missing,
// which means UTC. What it takes, it takes as time.Parse does; times
// outside the years 1678–2261 of UTC are refused. It allocates nothing.
func parseTime(b []byte) (ns int64, ok bool) {
	if len(b) < len("2006-01-02T15:04:05") ||
		b[4] != '-' || b[7] != '-' || b[10] != 'T' && b[10] != ' ' || b[13] != ':' || b[16] != ':' {
		return 0, false
	}
	century, year := pair(b, 0), pair(b, 2)
	month, day := pair(b, 5), pair(b, 8)
	hour, minute, sec := pair(b, 11), pair(b, 14), pair(b, 17)
	if (century|year|month|day|hour|minute|sec) < 0 || hour > 23 || minute > 59 || sec > 59 {
		return 0, false
	}
	year += 100 * century
	if month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return 0, false
	}
	nanos, rest, ok := fraction(b[19:])
	if !ok {
		return 0, false
	}
	east, ok := zone(rest)
	if !ok {
		return 0, false
	}
	unix := int64(daysSinceEpoch(year, month, day))*86400 + int64(hour*3600+minute*60+sec-east)
	return unix*second + nanos, unix >= earliest && unix <= latest
}

// pair reads two digits at i, or returns -1.
func pair(b []byte, i int) int {
	hi, lo := b[i]-'0', b[i+1]-'0'
	if hi > 9 || lo > 9 {
		return -1
	}
	return int(hi)*10 + int(lo)
}

// fraction reads an optional point with one to nine digits.
func fraction(b []byte) (nanos int64, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '.' {
		return 0, b, true
	}
	scale := second
	i := 1
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		scale /= 10
		nanos += int64(b[i]-'0') * scale
	}
	return nanos, b[i:], i > 1 && i <= 10
}

// zone reads Z, ±hh:mm or nothing, as seconds east of UTC.
func zone(b []byte) (east int, ok bool) {
	switch {
	case len(b) == 0, len(b) == 1 && b[0] == 'Z':
		return 0, true
	case len(b) != 6 || b[3] != ':' || b[0] != '+' && b[0] != '-':
		return 0, false
	}
	hours, minutes := pair(b, 1), pair(b, 4)
	if (hours|minutes) < 0 || hours > 23 || minutes > 59 {
		return 0, false
	}
	east = hours*3600 + minutes*60
	if b[0] == '-' {
		east = -east
	}
	return east, true
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// daysSinceEpoch counts the days from 1970-01-01 to a date of the Gregorian
// calendar. Years are taken to start in March, so that the leap day is the last
// day of its year and a month's start is linear in its number: (153m+2)/5.
func daysSinceEpoch(year, month, day int) int {
	const marchYearZeroToEpoch = 719468
	month -= 3
	if month < 0 {
		month += 12
		year--
	}
	return year*365 + year/4 - year/100 + year/400 + (153*month+2)/5 + day - 1 - marchYearZeroToEpoch
}

// noTime is the source time of rows that have none.
const noTime = math.MinInt64
