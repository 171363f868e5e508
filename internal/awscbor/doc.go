// Package awscbor is the codec of application/x-amz-cbor-1.1, the encoding that
// AWS's Java SDKs speak to Kinesis by default: the members and operations of
// AWS JSON 1.1, written as CBOR (RFC 8949), with blobs as byte strings.
//
// It appends values to a byte slice and reads them from one without copying.
// The SDK's side of the protocol is package protocol below this one; the
// embedded target serves the other side.
//
// # What is accepted
//
//   - Integers, text, byte strings, lists and maps with lengths of any size of
//     head; text, byte strings, lists and maps of indefinite length too.
//   - Floats of half, single and double precision, true, false, null, and
//     undefined, which counts as null.
//   - Timestamps: tag 1 around a number of milliseconds since 1970. RFC 8949
//     says seconds, AWS does not. A fraction is cut off, and a missing tag is
//     forgiven, as AWS's own readers do both. Seconds are never guessed at.
//   - Other tags are passed over with their value where a value is skipped, and
//     are errors elsewhere.
//   - Nesting up to 128 deep. Lengths are checked against what is left of the
//     input before anything relies on them.
//   - Text must be valid UTF-8.
//
// What is written has the shortest heads, and floats of double precision.
package awscbor
