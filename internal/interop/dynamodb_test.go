//go:build interop

package interop_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	checkpoints "github.com/kload/kload/consumers/checkpoints/dynamodb"
	"github.com/kload/kload/consumers/checkpoints/storetest"
	"github.com/kload/kload/internal/awsclient"
)

// TestLeasesInDynamoDB runs the suite of lease stores against implementations of
// DynamoDB by others: Amazon's own for one machine, and dynalite.
func TestLeasesInDynamoDB(t *testing.T) {
	t.Run("DynamoDB Local", func(t *testing.T) { testLeases(t, startDynamoDBLocal(t)) })
	t.Run("dynalite", func(t *testing.T) { testLeases(t, startNode(t, "dynalite")) })
}

// startDynamoDBLocal starts Amazon's DynamoDB for one machine and returns its
// endpoint.
func startDynamoDBLocal(t *testing.T) string {
	t.Helper()
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("the native library of DynamoDB Local is that of linux/amd64")
	}
	var port int
	javaIn(t, "dynamodb-local", "Serve.java").start().read(&port)
	return fmt.Sprintf("http://127.0.0.1:%d", port)
}

func testLeases(t *testing.T, endpoint string) {
	var tables atomic.Int64
	open := func(t *testing.T, table string) *checkpoints.Store {
		t.Helper()
		s, err := checkpoints.Open(t.Context(), checkpoints.Config{Table: table, Create: true, Endpoint: endpoint}, awsclient.Options{Local: true})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	storetest.RunShared(t, func(t *testing.T) func() kload.Store {
		table := fmt.Sprint("leases-", tables.Add(1))
		return func() kload.Store { return open(t, table) }
	})
	cfg, closeIdle, err := awsclient.Service(t.Context(), awsclient.Options{Local: true, Endpoint: endpoint})
	if err != nil {
		t.Fatal(err)
	}
	defer closeIdle()
	client := dynamodb.NewFromConfig(cfg)
	t.Run("leaves alone what is KCL's", func(t *testing.T) { keepsKCL(t, client, open(t, "kcl")) })
	t.Run("lists page by page", func(t *testing.T) { listsPages(t, open(t, "pages")) })
}

// keepsKCL has rows in the table that KCL writes besides leases, and attributes
// of leases that kload does not know.
func keepsKCL(t *testing.T, client *dynamodb.Client, s *checkpoints.Store) {
	defer s.Close()
	text := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	number := func(n string) types.AttributeValue { return &types.AttributeValueMemberN{Value: n} }
	leader := map[string]types.AttributeValue{
		"leaseKey": text("Leader"), "entityType": text("LEADER"), "leaseOwner": text("worker"), "leaseCounter": number("0"),
	}
	old := map[string]types.AttributeValue{ // of a KCL that has no entityType yet
		"leaseKey": text("shardId-000000000000"), "leaseCounter": number("5"), "checkpoint": text("TRIM_HORIZON"),
		"checkpointSubSequenceNumber": number("0"), "ownerSwitchesSinceCheckpoint": number("0"),
		"pendingCheckpoint": text("77"), "throughputKBps": number("12.5"),
	}
	for _, item := range []map[string]types.AttributeValue{leader, old} {
		if _, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("kcl"), Item: item}); err != nil {
			t.Fatal(err)
		}
	}
	lease := kload.Lease{Partition: "shardId-000000000000", Counter: 5, Position: kload.Position{Start: kload.TrimHorizon}}
	leases, err := s.Leases(t.Context())
	if diff := cmp.Diff([]kload.Lease{lease}, leases); err != nil || diff != "" {
		t.Fatalf("error %v (-want +got):\n%s", err, diff)
	}
	if _, err := s.Update(t.Context(), kload.Lease{Partition: "Leader", Owner: "worker"}, kload.Lease{Partition: "Leader"}); err == nil {
		t.Error("KCL's leader was taken for a lease and changed")
	}
	owned := lease
	owned.Owner = "kload"
	if owned, err = s.Update(t.Context(), lease, owned); err != nil {
		t.Fatal(err)
	}
	old["leaseOwner"], old["leaseCounter"] = text("kload"), number("6")
	wantItem(t, client, old)
	done := owned
	done.Position = kload.Position{Start: kload.After, Sequence: "80", Sub: 3}
	if _, err := s.Update(t.Context(), owned, done); err != nil {
		t.Fatal(err)
	}
	old["checkpoint"], old["checkpointSubSequenceNumber"], old["leaseCounter"] = text("80"), number("3"), number("7")
	delete(old, "pendingCheckpoint")
	wantItem(t, client, old)
	wantItem(t, client, leader)
}

func wantItem(t *testing.T, client *dynamodb.Client, want map[string]types.AttributeValue) {
	t.Helper()
	out, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{
		TableName: aws.String("kcl"), Key: map[string]types.AttributeValue{"leaseKey": want["leaseKey"]}, ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		t.Fatal(err)
	}
	plain := func(item map[string]types.AttributeValue) map[string]string {
		texts := map[string]string{}
		for name, v := range item {
			switch v := v.(type) {
			case *types.AttributeValueMemberS:
				texts[name] = v.Value
			case *types.AttributeValueMemberN:
				texts[name] = v.Value
			}
		}
		return texts
	}
	if diff := cmp.Diff(plain(want), plain(out.Item)); diff != "" {
		t.Errorf("row (-want +got):\n%s", diff)
	}
}

// listsPages has more leases than the service returns at once, 1 MB.
func listsPages(t *testing.T, s *checkpoints.Store) {
	defer s.Close()
	const n = 12
	parents := make([]string, 1000)
	for i := range parents {
		parents[i] = fmt.Sprintf("%0100d", i)
	}
	for i := range n {
		if _, err := s.Create(t.Context(), kload.Lease{Partition: fmt.Sprintf("%03d", i), Parents: parents}); err != nil {
			t.Fatal(err)
		}
	}
	leases, err := s.Leases(t.Context())
	if err != nil || len(leases) != n || len(leases[n-1].Parents) != len(parents) {
		t.Errorf("%d of %d leases, error %v", len(leases), n, err)
	}
}
