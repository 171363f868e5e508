// Package shard knows how a stream's 128-bit hash key space is divided.
//
// A partition key becomes a point in that space by its MD5 ([HashOf]); an
// explicit hash key names the point directly, as a decimal number ([ParseHash]).
// Each open shard owns a [Range] of points, and the open shards of a stream
// together own all of them, each point once. A [Map] is one snapshot of that
// division: prediction asks it where a record will land, the ledger asks a
// Range whether a record landed where it belongs. A reshard does not change a
// Map; it makes a new one with a higher epoch.
//
// Formula: Amazon Kinesis Data Streams API Reference, PutRecord ("An MD5 hash
// function is used to map partition keys to 128-bit integer values").
package shard

// Shard is one shard of a stream, open or closed.
type Shard struct {
	// ID is the service's name of the shard, such as "shardId-000000000000".
	ID string
	// Range is what the shard owns, or owned until it was closed.
	Range Range
	// Parents lists the shards it continues: none for an original shard, one
	// after a split, two after a merge.
	Parents []string
	// Open says that the shard takes records. A closed one can only be read.
	Open bool
}
