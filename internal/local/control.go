package local

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/kload/kload/internal/local/faults"
	"github.com/kload/kload/internal/local/kinesis"
)

// order is a line that the parent sends while the child serves: it puts a fault
// into force, or lifts one. Lines of the two are matched by N, from 1.
type order struct {
	N      uint64        `json:"n"`
	Inject *faults.Fault `json:"inject,omitempty"`
	Lift   int           `json:"lift,omitempty"` // number of a fault
}

// reply answers an order. Error is empty if it was carried out.
type reply struct {
	N      uint64        `json:"n"`
	Effect faults.Effect `json:"effect"` // its ID only, of a fault just put into force
	Error  string        `json:"error,omitempty"`
}

// carryOut does what an order says.
func (o *order) carryOut(k *kinesis.Server) reply {
	r := reply{N: o.N}
	var err error
	if o.Inject != nil {
		r.Effect.ID, err = k.Inject(*o.Inject)
	} else {
		r.Effect, err = k.Lift(o.Lift)
	}
	if err != nil {
		r.Error = err.Error()
	}
	return r
}

// obey carries out the orders that come in until they end. A line that is none
// ends them too: whoever sends it is not the parent.
func obey(in *bufio.Reader, stdout io.Writer, k *kinesis.Server) error {
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		var o order
		if err == nil {
			err = json.Unmarshal(line, &o)
		}
		if err != nil {
			return fmt.Errorf("reading an order from the parent process: %w", err)
		}
		r := o.carryOut(k)
		if err := writeLine(stdout, word{Reply: &r}); err != nil {
			return err
		}
	}
}

// Inject puts a fault into force and returns its number.
func (p *Process) Inject(ctx context.Context, f faults.Fault) (int, error) {
	r, err := p.order(ctx, order{Inject: &f})
	if err != nil {
		return 0, fmt.Errorf("making the embedded target fail: %w", err)
	}
	return r.Effect.ID, nil
}

// Lift ends a fault and returns what it has done.
func (p *Process) Lift(ctx context.Context, id int) (faults.Effect, error) {
	r, err := p.order(ctx, order{Lift: id})
	if err != nil {
		return faults.Effect{}, fmt.Errorf("ending a fault of the embedded target: %w", err)
	}
	return r.Effect, nil
}

// order sends an order and waits for the reply. One is under way at a time; the
// reply to one that was given up is passed over.
func (p *Process) order(ctx context.Context, o order) (reply, error) {
	select {
	case n := <-p.turn:
		o.N = n + 1
		defer func() { p.turn <- o.N }()
	case <-ctx.Done():
		return reply{}, ctx.Err()
	}
	if err := writeLine(p.stdin, o); err != nil {
		return reply{}, err
	}
	for {
		select {
		case r := <-p.replies:
			switch {
			case r.N != o.N:
			case r.Error != "":
				return r, errors.New(r.Error)
			default:
				return r, nil
			}
		case <-p.done:
			return reply{}, errors.New("it has ended")
		case <-ctx.Done():
			return reply{}, ctx.Err()
		}
	}
}

// Inject puts a fault into force and returns its number.
func (s *Shared) Inject(_ context.Context, f faults.Fault) (int, error) {
	return s.service.kinesis.Inject(f)
}

// Lift ends a fault and returns what it has done.
func (s *Shared) Lift(_ context.Context, id int) (faults.Effect, error) {
	return s.service.kinesis.Lift(id)
}
