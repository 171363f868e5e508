package s3

import "io"

// DecodeChunked decodes an aws-chunked body.
func DecodeChunked(src io.Reader, limit int64, signed, trailer bool) io.Reader {
	return newChunkReader(src, encoding{signed, trailer}, limit, nil)
}

// FileOf returns the two paths at which the file of an object may be.
func FileOf(bucket, key string) (path, aside string, err error) {
	at, err := locate(bucket, key)
	return at.path, at.aside, err
}

// SegmentOf returns the segment of a key that a file or folder stands for.
func SegmentOf(name string) (segment string, isAside, ok bool) { return segmentOf(name) }
