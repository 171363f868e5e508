package dynamodb

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/shard"
)

// The attributes of a lease as KCL 3 names them (DynamoDBLeaseSerializer of
// amazon-kinesis-client 3.5). Numbers are N, sets SS, all else S; what is empty or
// unknown is absent.
const (
	attrKey        = "leaseKey"
	attrOwner      = "leaseOwner"
	attrCounter    = "leaseCounter"
	attrCheckpoint = "checkpoint" // a sequence number, or one of the sentinels
	attrSub        = "checkpointSubSequenceNumber"
	attrOutgoing   = "checkpointOwner"
	attrSwitches   = "ownerSwitchesSinceCheckpoint"
	attrParents    = "parentShardId"
	attrChildren   = "childShardIds"
	attrFirstHash  = "startingHashKey"
	attrLastHash   = "endingHashKey"
	attrType       = "entityType" // of leases entityLease; older tables have leases only
	entityLease    = "LEASE"
)

// item is a row of the table.
type item = map[string]types.AttributeValue

// sentinels are the checkpoints that are no sequence number.
func sentinels() map[kload.Start]string {
	return map[kload.Start]string{
		kload.TrimHorizon: "TRIM_HORIZON", kload.Latest: "LATEST", kload.AtRunStart: "AT_TIMESTAMP", kload.AtEnd: "SHARD_END",
	}
}

// changeable are the attributes that an update writes or removes.
func changeable() []string {
	return []string{
		attrOwner, attrCounter, attrCheckpoint, attrSub, attrOutgoing, attrSwitches,
		attrParents, attrChildren, attrFirstHash, attrLastHash,
	}
}

// preparing are the attributes of a checkpoint that KCL is about to set.
func preparing() []string {
	return []string{"pendingCheckpoint", "pendingCheckpointSubSequenceNumber", "pendingCheckpointState"}
}

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func keyOf(l kload.Lease) item { return item{attrKey: text(l.Partition)} }

func itemOf(l kload.Lease) item {
	i := item{
		attrKey: text(l.Partition), attrType: text(entityLease), attrCounter: number(l.Counter),
		attrSwitches: number(l.Switches), attrCheckpoint: text(l.Position.Sequence), attrSub: number(l.Position.Sub),
	}
	if sentinel, ok := sentinels()[l.Position.Start]; ok {
		i[attrCheckpoint], i[attrSub] = text(sentinel), number(0)
	}
	for name, value := range map[string]string{attrOwner: l.Owner, attrOutgoing: l.Outgoing} {
		if value != "" {
			i[name] = text(value)
		}
	}
	for name, set := range map[string][]string{attrParents: l.Parents, attrChildren: l.Children} {
		if len(set) > 0 {
			i[name] = &types.AttributeValueMemberSS{Value: set}
		}
	}
	if l.HasRange {
		i[attrFirstHash], i[attrLastHash] = text(shard.FormatHash(l.Range.Start)), text(shard.FormatHash(l.Range.End))
	}
	return i
}

// leaseOf reads a row, whoever wrote it.
func leaseOf(i item) (l kload.Lease, err error) {
	r := row{item: i}
	l = kload.Lease{
		Partition: r.text(attrKey), Owner: r.text(attrOwner), Counter: r.number(attrCounter),
		Position: positionOf(r.text(attrCheckpoint), r.number(attrSub)),
		Outgoing: r.text(attrOutgoing), Switches: r.number(attrSwitches),
		Parents: r.set(attrParents), Children: r.set(attrChildren),
	}
	if _, ok := i[attrFirstHash]; ok {
		l.Range, l.HasRange = kload.HashRange{Start: r.hash(attrFirstHash), End: r.hash(attrLastHash)}, true
	}
	if r.err != nil {
		return l, kload.WithHint(fmt.Errorf("%w lease %q: %w", kload.ErrInvalid, l.Partition, r.err), "the table may belong to something else, or to a newer KCL")
	}
	return l, nil
}

// positionOf reads a checkpoint. As for KCL, without one all is to be read.
func positionOf(checkpoint string, sub int64) kload.Position {
	if checkpoint == "" {
		return kload.Position{Start: kload.TrimHorizon}
	}
	for start, sentinel := range sentinels() {
		if checkpoint == sentinel {
			return kload.Position{Start: start}
		}
	}
	return kload.Position{Start: kload.After, Sequence: checkpoint, Sub: sub}
}

// row reads attributes and remembers the first error.
type row struct {
	item
	err error
}

func (r *row) wrong(name string) {
	if r.err == nil {
		r.err = fmt.Errorf("attribute %s is not what KCL writes", name)
	}
}

func (r *row) text(name string) string {
	switch v := r.item[name].(type) {
	case nil:
	case *types.AttributeValueMemberS:
		return v.Value
	default:
		r.wrong(name)
	}
	return ""
}

func (r *row) number(name string) int64 {
	switch v := r.item[name].(type) {
	case nil:
	case *types.AttributeValueMemberN:
		n, err := strconv.ParseInt(v.Value, 10, 64)
		if err != nil {
			r.wrong(name)
		}
		return n
	default:
		r.wrong(name)
	}
	return 0
}

func (r *row) set(name string) []string {
	switch v := r.item[name].(type) {
	case nil:
	case *types.AttributeValueMemberSS:
		return slices.Sorted(slices.Values(v.Value))
	default:
		r.wrong(name)
	}
	return nil
}

func (r *row) hash(name string) kload.HashKey {
	h, err := shard.ParseHash(r.text(name))
	if err != nil {
		r.wrong(name)
	}
	return h
}

// isLease is the condition on a row's type.
const isLease = "(attribute_not_exists(#type) OR #type = :lease)"

// condition is that a lease is still as somebody saw it, with the names and
// values of its expressions.
type condition struct {
	text   string
	names  map[string]string
	values item
}

func conditionOn(old kload.Lease) condition {
	c := condition{
		names:  map[string]string{"#type": attrType, "#counter": attrCounter, "#owner": attrOwner},
		values: item{":lease": text(entityLease), ":counter": number(old.Counter)},
	}
	owner := "attribute_not_exists(#owner)"
	if old.Owner != "" {
		owner = "#owner = :owner"
		c.values[":owner"] = text(old.Owner)
	}
	c.text = "#counter = :counter AND " + owner + " AND " + isLease
	return c
}

// set returns the expression that makes the lease l of old.
func (c *condition) set(old, l kload.Lease) string {
	var set, remove []string
	want := itemOf(l)
	names := changeable()
	if old.Position != l.Position {
		names = append(names, preparing()...)
	}
	for i, name := range names {
		alias := "#" + strconv.Itoa(i)
		c.names[alias] = name
		if v, ok := want[name]; ok {
			c.values[":"+strconv.Itoa(i)] = v
			set = append(set, alias+" = :"+strconv.Itoa(i))
		} else {
			remove = append(remove, alias)
		}
	}
	expression := "SET " + strings.Join(set, ", ")
	if len(remove) > 0 {
		expression += " REMOVE " + strings.Join(remove, ", ")
	}
	return expression
}
