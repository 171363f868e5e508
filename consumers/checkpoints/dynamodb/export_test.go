package dynamodb

import "github.com/kload/kload"

// ItemOf and LeaseOf are the two directions of the table's layout.
func ItemOf(l kload.Lease) item { return itemOf(l) }

// LeaseOf reads a row.
func LeaseOf(i item) (kload.Lease, error) { return leaseOf(i) }
