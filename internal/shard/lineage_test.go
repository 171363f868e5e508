package shard_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/shard"
)

func part(id string, from kload.Start, parents ...string) kload.Partition {
	return kload.Partition{ID: id, Parents: parents, From: kload.Position{Start: from}}
}

// TestLineage lists shards and ends some, one after the other; want is what may be
// read after each step, with where to start.
func TestLineage(t *testing.T) {
	const horizon, latest, end = kload.TrimHorizon, kload.Latest, kload.AtEnd
	type step struct {
		end      string // "" lists the children
		children []kload.Partition
		want     string
	}
	split := []kload.Partition{part("b", horizon, "a"), part("c", horizon, "a")}
	tests := []struct {
		name  string
		steps []step
	}{
		{"nothing", []step{{"", nil, ""}}},
		{"a split", []step{
			{"", []kload.Partition{part("a", latest)}, "a latest"},
			{"a", split, "b trim_horizon c trim_horizon"},
			{"b", nil, ""},
		}},
		{"a merge waits for both parents", []step{
			{"", []kload.Partition{part("a", latest), part("b", latest)}, "a latest b latest"},
			{"a", []kload.Partition{part("c", horizon, "a", "b")}, ""},
			{"b", []kload.Partition{part("c", horizon, "a", "b")}, "c trim_horizon"},
			{"c", nil, ""},
		}},
		{"a merge with what is not known yet", []step{
			{"", []kload.Partition{part("a", latest), part("d", latest)}, "a latest d latest"},
			{"d", []kload.Partition{part("e", horizon, "c", "d")}, ""},
			{"a", split, "b trim_horizon c trim_horizon"},
			{"c", []kload.Partition{part("e", horizon, "c", "d")}, "e trim_horizon"},
		}},
		{"history is read parents first", []step{
			{"", []kload.Partition{part("b", horizon, "a"), part("c", horizon, "a"), part("a", horizon), part("d", horizon, "b", "c")}, "a trim_horizon"},
			{"a", nil, "b trim_horizon c trim_horizon"},
			{"c", nil, ""},
			{"b", nil, "d trim_horizon"},
		}},
		{"history is not wanted", []step{
			{"", []kload.Partition{part("a", end), part("b", latest, "a"), part("c", end, "a"), part("d", latest, "c")}, "b latest d latest"},
		}},
		{"parents have expired", []step{
			{"", []kload.Partition{part("d", horizon, "b", "c"), part("b", horizon, "a")}, "b trim_horizon"},
			{"b", nil, "d trim_horizon"},
		}},
		{"a listing that shows parent and child open", []step{
			{"", []kload.Partition{part("a", latest), part("b", latest, "a")}, "a latest"},
			{"a", split, "b trim_horizon c trim_horizon"},
		}},
		{"a checkpoint in the child stays", []step{
			{"", []kload.Partition{part("a", latest), part("b", kload.After, "a")}, "a latest"},
			{"a", split, "b after c trim_horizon"},
		}},
		{"named again", []step{
			{"", []kload.Partition{part("a", latest), part("a", latest)}, "a latest"},
			{"a", split, "b trim_horizon c trim_horizon"},
			{"a", split, ""},
		}},
		{"an end without a listing", []step{{"a", split, "b trim_horizon c trim_horizon"}}},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			var l shard.Lineage
			for i, s := range tc.steps {
				free := l.List
				if s.end != "" {
					free = func(c []kload.Partition) []kload.Partition { return l.End(s.end, c) }
				}
				got := ""
				for _, p := range free(s.children) {
					if got != "" {
						got += " "
					}
					got += p.ID + " " + p.From.Start.String()
				}
				if diff := cmp.Diff(s.want, got); diff != "" {
					t.Errorf("step %d (-want +got):\n%s", i, diff)
				}
			}
		})
	}
}
