package replay

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// sniffBytes is how much of an object is looked at to tell what it is.
const sniffBytes = 512

// maxZstdWindow is how far back a zstd frame may refer, which is what decoding it
// needs in memory. Frames of zstd itself need 8 MiB at most, unless told
// --ultra or --long.
const maxZstdWindow = 16 << 20

// format is what an object's bytes are.
type format uint8

const (
	plainText format = iota
	lz4Frames
	gzipMembers
	zstdFrames
	snappyFrames
	parquetFile
	foreignFormat // recognised, or binary, and not read
)

// magics begin the formats that are told by their first bytes.
var magics = [...]struct {
	magic  string
	format format
	name   string
}{
	{"\x04\x22\x4d\x18", lz4Frames, "lz4"},
	{"\x1f\x8b", gzipMembers, "gzip"},
	{"\x28\xb5\x2f\xfd", zstdFrames, "zstd"},
	{"\xff\x06\x00\x00sNaPpY", snappyFrames, "snappy"},
	{"PAR1", parquetFile, "Parquet"},
	{"BZh", foreignFormat, "bzip2"},
	{"\xfd7zXZ\x00", foreignFormat, "xz"},
	{"PK\x03\x04", foreignFormat, "zip"},
	{"ORC", foreignFormat, "ORC"},
	{"Obj\x01", foreignFormat, "Avro"},
	{"\x02\x21\x4c\x18", foreignFormat, "lz4 in its old frameless form"},
}

// sniff tells the format of an object from its head, and names it.
func sniff(head []byte) (f format, name string) {
	data, skipped := skipFrames(head)
	for i := range magics {
		m := &magics[i]
		if bytes.HasPrefix(data, []byte(m.magic)) && (!skipped || m.format == lz4Frames || m.format == zstdFrames) {
			return m.format, m.name
		}
	}
	switch {
	case skipped:
		return lz4Frames, "lz4"
	case bytes.ContainsFunc(head, isBinary):
		return foreignFormat, "neither text nor a format that is known"
	}
	return plainText, "text"
}

// skipFrames returns what follows the skippable frames at the head, as far as it
// is to be seen. lz4 and zstd share the form of these: one of sixteen magic
// numbers and a size, little-endian (lz4 frame format 1.6.4, RFC 8878 section
// 3.1.2).
func skipFrames(head []byte) (rest []byte, skipped bool) {
	const first = 0x184D2A50
	for len(head) >= 8 && binary.LittleEndian.Uint32(head)&^0xF == first {
		skipped = true
		size := int64(binary.LittleEndian.Uint32(head[4:]))
		head = head[min(8+size, int64(len(head))):]
	}
	return head, skipped
}

// isBinary tells control characters that text does not use; white space and the
// escape of terminal colours it does.
func isBinary(r rune) bool {
	return r < ' ' && r != '\t' && r != '\n' && r != '\r' && r != '\f' && r != '\x1b'
}

// codecs decompress one object after the other. Each is made when it is first
// needed and kept: a replay opens thousands of objects.
type codecs struct {
	lz4    *lz4.Reader
	gzip   *gzip.Reader
	zstd   *zstd.Decoder
	snappy *snappy.Reader
}

// open returns the text of what src holds in a format that is compressed. All
// of them read through concatenated frames (members) to the end of src.
func (c *codecs) open(f format, src io.Reader) (io.Reader, error) {
	switch f {
	case lz4Frames:
		if c.lz4 == nil {
			c.lz4 = lz4.NewReader(src)
		}
		c.lz4.Reset(src)
		return c.lz4, nil
	case gzipMembers:
		if c.gzip == nil {
			c.gzip = new(gzip.Reader)
		}
		return c.gzip, c.gzip.Reset(src)
	case zstdFrames:
		return c.openZstd(src)
	case snappyFrames:
		if c.snappy == nil {
			c.snappy = snappy.NewReader(src)
		}
		c.snappy.Reset(src)
		return c.snappy, nil
	case plainText, parquetFile, foreignFormat:
	}
	return nil, fmt.Errorf("no decoder for format %d", f)
}

func (c *codecs) openZstd(src io.Reader) (io.Reader, error) {
	if c.zstd == nil {
		var err error
		c.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return nil, err
		}
	}
	return c.zstd, c.zstd.Reset(src)
}
