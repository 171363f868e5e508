// Package dynamodb is the store of leases in a DynamoDB table, for a consumer
// whose workers run on several machines. The table has the layout of the Kinesis
// Client Library (KCL) 3: its workers and kload's can read each other's leases.
//
// Every change is one conditional write: the lease must have the owner and the
// counter that the writer saw, as KCL asks for too. Rows of the table that are no
// leases, which KCL marks by their entityType, are neither read nor written.
//
// Paid by request, a change takes one write unit per KB of the lease, and a
// listing, which is consistent, one read unit per 4 KB of the table.
package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/kload/kload"
	"github.com/kload/kload/consumers/checkpoints"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/conf"
)

// A new table takes seconds to become usable.
const (
	createPoll    = time.Second
	createTimeout = 5 * time.Minute
)

// Config configures the store.
type Config struct {
	Table    string `yaml:"table" required:"true" help:"name of the lease table; KCL names it after the application"`
	Create   bool   `yaml:"create" default:"true" help:"create the table, paid by request, if there is none"`
	Endpoint string `yaml:"endpoint" help:"URL of DynamoDB; the real service's if absent"`
}

// Validate checks that the endpoint is one.
func (c *Config) Validate() []conf.Issue {
	u, err := url.Parse(c.Endpoint)
	if c.Endpoint == "" || err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" {
		return nil
	}
	return []conf.Issue{{Field: "endpoint", Msg: fmt.Sprintf("%q is not the URL of a service", c.Endpoint), Hint: "write it as http://127.0.0.1:8000"}}
}

// explain explains an error of the first call, for which an endpoint of the
// configuration's own may be to blame.
func (c *Config) explain(err error) error {
	if class, _ := awsclient.Classify(err); class == awsclient.NotSent && c.Endpoint != "" {
		return kload.WithHint(fmt.Errorf("%w: calling DynamoDB: %w", kload.ErrUnreachable, err), "nothing answers at the store's endpoint, "+c.Endpoint)
	}
	return explain(err)
}

// Store is a [kload.Store]. Make it with [Open].
type Store struct {
	table     *string
	client    *dynamodb.Client
	closeIdle func()
	closed    atomic.Bool
}

// Open opens the table, which is created if need be and asked for. The options
// say whose account and where; their endpoint is that of Kinesis and left aside.
func Open(ctx context.Context, c Config, o awsclient.Options) (*Store, error) {
	o.Endpoint = c.Endpoint
	cfg, closeIdle, err := awsclient.Service(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("opening the lease table %s: %w", c.Table, err)
	}
	s := &Store{table: aws.String(c.Table), client: dynamodb.NewFromConfig(cfg), closeIdle: closeIdle}
	if err := s.prepare(ctx, c.Create); err != nil {
		closeIdle()
		return nil, fmt.Errorf("opening the lease table %s: %w", c.Table, c.explain(err))
	}
	return s, nil
}

// prepare makes sure that there is a table of leases.
func (s *Store) prepare(ctx context.Context, create bool) error {
	out, err := s.client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: s.table})
	var none *types.ResourceNotFoundException
	switch {
	case err == nil && out.Table.TableStatus != types.TableStatusCreating:
		return isLeaseTable(out.Table)
	case err != nil && (!errors.As(err, &none) || !create):
		return err
	case err != nil:
		if err := s.create(ctx); err != nil {
			return fmt.Errorf("creating it: %w", err)
		}
	}
	wait := dynamodb.NewTableExistsWaiter(s.client, func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = createPoll, createPoll
	})
	created, err := wait.WaitForOutput(ctx, &dynamodb.DescribeTableInput{TableName: s.table}, createTimeout)
	if err != nil {
		return fmt.Errorf("waiting for it to become active: %w", err)
	}
	return isLeaseTable(created.Table)
}

// create creates the table, unless another worker is about to do so.
func (s *Store) create(ctx context.Context) error {
	_, err := s.client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: s.table, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String(attrKey), AttributeType: types.ScalarAttributeTypeS}},
		KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String(attrKey), KeyType: types.KeyTypeHash}},
	})
	if busy := (*types.ResourceInUseException)(nil); errors.As(err, &busy) {
		return nil
	}
	return err
}

func isLeaseTable(t *types.TableDescription) error {
	if len(t.KeySchema) != 1 || aws.ToString(t.KeySchema[0].AttributeName) != attrKey {
		return kload.WithHint(fmt.Errorf("%w: its key is not %s", kload.ErrInvalid, attrKey), "it is a table of something else: choose another name")
	}
	return nil
}

// Leases implements [kload.Store].
func (s *Store) Leases(ctx context.Context) ([]kload.Lease, error) {
	if s.closed.Load() {
		return nil, checkpoints.ListFailed(kload.ErrClosed)
	}
	var leases []kload.Lease
	pages := dynamodb.NewScanPaginator(s.client, &dynamodb.ScanInput{
		TableName: s.table, ConsistentRead: aws.Bool(true), FilterExpression: aws.String(isLease),
		ExpressionAttributeNames:  map[string]string{"#type": attrType},
		ExpressionAttributeValues: map[string]types.AttributeValue{":lease": text(entityLease)},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, checkpoints.ListFailed(explain(err))
		}
		for _, item := range page.Items {
			l, err := leaseOf(item)
			if err != nil {
				return nil, checkpoints.ListFailed(err)
			}
			leases = append(leases, l)
		}
	}
	slices.SortFunc(leases, func(a, b kload.Lease) int { return strings.Compare(a.Partition, b.Partition) })
	return leases, nil
}

// Create implements [kload.Store].
func (s *Store) Create(ctx context.Context, l kload.Lease) (kload.Lease, error) {
	stored, err := checkpoints.First(l)
	err = s.do(err, func() error {
		_, err := s.client.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: s.table, Item: itemOf(stored),
			ConditionExpression:      aws.String("attribute_not_exists(#key)"),
			ExpressionAttributeNames: map[string]string{"#key": attrKey},
		}, onceOnly)
		return err
	})
	return decided(checkpoints.Create(l), stored, err)
}

// Update implements [kload.Store]. Attributes that kload does not know stay as
// they are; a checkpoint that KCL was preparing ends with a new one, as in KCL.
func (s *Store) Update(ctx context.Context, old, l kload.Lease) (kload.Lease, error) {
	stored, err := checkpoints.Next(old, l)
	err = s.do(err, func() error {
		c := conditionOn(old)
		_, err := s.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
			TableName: s.table, Key: keyOf(old), UpdateExpression: aws.String(c.set(old, stored)), ConditionExpression: aws.String(c.text),
			ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values,
		}, onceOnly)
		return err
	})
	return decided(checkpoints.Update(old, l), stored, err)
}

// Delete implements [kload.Store].
func (s *Store) Delete(ctx context.Context, old kload.Lease) error {
	err := s.do(nil, func() error {
		c := conditionOn(old)
		_, err := s.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
			TableName: s.table, Key: keyOf(old), ConditionExpression: aws.String(c.text),
			ExpressionAttributeNames: c.names, ExpressionAttributeValues: c.values,
		}, onceOnly)
		return err
	})
	_, err = decided(checkpoints.Delete(old), kload.Lease{}, err)
	return err
}

// do makes a call, unless the change is wrong in itself or the store is closed.
func (s *Store) do(wrong error, call func() error) error {
	switch {
	case s.closed.Load():
		return kload.ErrClosed
	case wrong != nil:
		return wrong
	}
	return explain(call())
}

func decided(c checkpoints.Change, stored kload.Lease, err error) (kload.Lease, error) {
	if err != nil {
		return kload.Lease{}, c.Failed(err)
	}
	return stored, nil
}

// onceOnly keeps the SDK from repeating a write that may have been made: its
// condition would fail, and a change that succeeded would look like another's.
func onceOnly(o *dynamodb.Options) {
	o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
		o.Retryables = []retry.IsErrorRetryable{retry.IsErrorRetryableFunc(func(err error) aws.Ternary {
			class, _ := awsclient.Classify(err)
			return aws.BoolTernary(class == awsclient.Throttled || class == awsclient.NotSent)
		})}
	})
}

// explain says what an error of the service means for leases.
func explain(err error) error {
	var none *types.ResourceNotFoundException
	var failed *types.ConditionalCheckFailedException
	switch {
	case err == nil:
		return nil
	case errors.As(err, &failed):
		return fmt.Errorf("%w: %w", kload.ErrConflict, err)
	case errors.As(err, &none):
		return kload.WithHint(fmt.Errorf("%w: %w", kload.ErrUnreachable, err), "there is no such table in this account and region: let kload create it, or correct its name")
	case errors.Is(err, kload.ErrInvalid):
		return err
	}
	return awsclient.Explain(err, "calling DynamoDB")
}

// Close implements [kload.Store].
func (s *Store) Close() error {
	if !s.closed.Swap(true) {
		s.closeIdle()
	}
	return nil
}
