package scenarios

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/kload/kload"
)

// injection is the faults to inject, parsed from --inject. They prove the
// checkers: a scenario that passes with one of them checks nothing.
type injection struct {
	targetDrop, targetDup int
	drop, dup             map[string]int // by consumer
	sinkDrop              map[string]int // by consumer, or consumer.sink for one of several
}

const injectHint = "use drop=1@target, dup=1@target, drop=1@consumer:NAME, dup=1@consumer:NAME, drop=1@sink:NAME, or drop=1@sink:NAME.SINK for one of several"

// parseInjections parses the mutations of the command line against the
// scenario's consumers.
func parseInjections(texts []string, spec *Spec) (injection, error) {
	inj := injection{drop: map[string]int{}, dup: map[string]int{}, sinkDrop: map[string]int{}}
	for _, text := range texts {
		if err := inj.add(text, spec); err != nil {
			return inj, kload.WithHint(fmt.Errorf("%w --inject %q: %w", kload.ErrInvalid, text, err), injectHint)
		}
	}
	return inj, nil
}

func (i *injection) add(text string, spec *Spec) error {
	what, where, ok := strings.Cut(text, "@")
	verb, count, counted := strings.Cut(what, "=")
	n, err := strconv.Atoi(count)
	if !ok || !counted || err != nil || n < 1 || verb != "drop" && verb != "dup" {
		return fmt.Errorf("it is not of the form drop=N@PLACE or dup=N@PLACE")
	}
	place, name, _ := strings.Cut(where, ":")
	if place == "consumer" || place == "sink" {
		if err := knownPlace(place, name, spec); err != nil {
			return err
		}
	}
	switch {
	case place == "target" && name == "" && spec.Target.Kind != "local":
		return fmt.Errorf("only the embedded target can be made to fail")
	case verb == "drop" && where == "target":
		i.targetDrop += n
	case verb == "dup" && where == "target":
		i.targetDup += n
	case verb == "drop" && place == "consumer":
		i.drop[name] += n
	case verb == "dup" && place == "consumer":
		i.dup[name] += n
	case verb == "drop" && place == "sink":
		i.sinkDrop[name] += n
	default:
		return fmt.Errorf("there is nothing to %s at %q", verb, where)
	}
	return nil
}

// knownPlace looks for the consumer that a place names, or for one of its sinks.
func knownPlace(place, name string, spec *Spec) error {
	consumer, sink, ofSeveral := strings.Cut(name, ".")
	c, known := spec.Consumers.Get(consumer)
	if !known || ofSeveral && place != "sink" {
		return fmt.Errorf("there is no consumer %q; there are: %s", name, strings.Join(spec.Consumers.Names(), ", "))
	}
	if _, known := c.Sinks.Get(sink); ofSeveral && !known {
		return fmt.Errorf("consumer %s has no sink %q among several; there are: %s", consumer, sink, strings.Join(c.Sinks.Names(), ", "))
	}
	return nil
}
