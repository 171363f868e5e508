// Package kpl reads and writes aggregated records: many user records packed
// into the data of one stream record, in the format of the Amazon Kinesis
// Producer Library.
//
//	F3 89 9A C2 | AggregatedRecord, protobuf | MD5 of the protobuf, 16 bytes
//
//	message AggregatedRecord {
//	  repeated string partition_key_table     = 1;
//	  repeated string explicit_hash_key_table = 2;
//	  repeated Record records                 = 3;
//	}
//	message Record {
//	  required uint64 partition_key_index     = 1;
//	  optional uint64 explicit_hash_key_index = 2;
//	  required bytes  data                    = 3;
//	  repeated Tag    tags                    = 4;
//	}
//	message Tag { required string key = 1; optional string value = 2; }
//
// An [Encoder] appends to one buffer: a key enters the table right before the
// first record that uses it. Protobuf lets fields interleave, so any decoder
// collects the same tables, and no user record is ever moved or copied twice. A
// [Decoder] lends slices of what it is given.
//
// Source of the format: aggregation-format.md in
// github.com/awslabs/amazon-kinesis-producer.
package kpl

import (
	"crypto/md5"
	"math/bits"
)

// Overhead is what an aggregate takes beyond its protobuf message, in bytes:
// the magic number and the digest.
const Overhead = len(magic) + digestSize

// TagKey is the key of the one tag that kload writes and reads, the carrier of
// a user record's trace.
const TagKey = "k"

const (
	magic      = "\xF3\x89\x9A\xC2"
	digestSize = md5.Size
)

// Protobuf field tags: field number << 3 | wire type.
const (
	tagKeyTable  = 1<<3 | wireBytes // AggregatedRecord.partition_key_table
	tagHashTable = 2<<3 | wireBytes // AggregatedRecord.explicit_hash_key_table
	tagRecord    = 3<<3 | wireBytes // AggregatedRecord.records

	tagKeyIndex  = 1<<3 | wireVarint // Record.partition_key_index
	tagHashIndex = 2<<3 | wireVarint // Record.explicit_hash_key_index
	tagData      = 3<<3 | wireBytes  // Record.data
	tagTags      = 4<<3 | wireBytes  // Record.tags

	tagTagKey   = 1<<3 | wireBytes // Tag.key
	tagTagValue = 2<<3 | wireBytes // Tag.value
)

// IsAggregate reports whether data starts like an aggregate. It looks at the
// magic number only: a [Decoder] decides.
func IsAggregate(data []byte) bool {
	return len(data) >= len(magic) && string(data[:len(magic)]) == magic
}

// varintLen returns how many bytes v takes as a varint: one per 7 bits.
func varintLen(v int) int { return (bits.Len64(uint64(v)|1) + 6) / 7 }

// fieldLen returns the size of a length-delimited field with n bytes in it, for
// the field numbers used here (all below 16).
func fieldLen(n int) int { return 1 + varintLen(n) + n }
