package kinesis

import (
	"encoding/binary"
	"hash/crc32"
)

// An event stream is a sequence of frames: total length, length of the headers,
// checksum of those 8 bytes, headers, payload, checksum of everything before.
// Frames are built in place, around a payload of up to 14 MiB that is written
// once.
const (
	eventStreamType = "application/vnd.amazon.eventstream"
	framePrelude    = 12 // bytes before the headers
	stringHeader    = 7  // type of a header's value
)

// beginEvent appends a frame up to the payload of an event to b, which is empty.
func beginEvent(b []byte, kind string) []byte {
	return beginFrame(b, "event", ":event-type", kind)
}

// beginException is beginEvent for what ends a stream early.
func beginException(b []byte, code string) []byte {
	return beginFrame(b, "exception", ":exception-type", code)
}

func beginFrame(b []byte, message, name, value string) []byte {
	b = append(b, make([]byte, framePrelude)...)
	b = appendHeader(b, ":message-type", message)
	b = appendHeader(b, name, value)
	b = appendHeader(b, ":content-type", contentType)
	binary.BigEndian.PutUint32(b[4:], uint32(len(b)-framePrelude))
	return b
}

func appendHeader(b []byte, name, value string) []byte {
	b = append(append(b, byte(len(name))), name...)
	b = append(b, stringHeader)
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	return append(b, value...)
}

// endFrame completes a frame after its payload.
func endFrame(b []byte) []byte {
	binary.BigEndian.PutUint32(b, uint32(len(b)+4))
	binary.BigEndian.PutUint32(b[8:], crc32.ChecksumIEEE(b[:8]))
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}
