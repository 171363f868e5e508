package origin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kload/kload/internal/pace"
)

// What is read ahead is bounded in bytes and in objects. The first part is
// smaller: the first record should not wait for more than it needs, and whoever
// looks only at an object's beginning should not cause more to be read.
const (
	firstBytes = 512 << 10
	partBytes  = 1 << 20
	aheadBytes = 8 << 20
	aheadParts = 16 // of objects smaller than a part
)

// A read that failed goes on where it stopped. When it gets nowhere so many
// times in a row, the pauses between growing from the first, the object is given
// up.
const (
	maxTries   = 5
	firstPause = 50 * time.Millisecond
	longestTry = time.Minute // for a part, so that no connection can hang for good
)

// Ahead is an [Origin] that reads the objects of another one ahead of their use,
// in parts: those of the object that was opened, then those of the objects that
// follow in the listing. The window of what is read ahead starts with one part
// and doubles with each that is used up. Reads that break off go on at the byte
// that is due, unless the object changed meanwhile.
//
// It holds at most 9 MiB. Open and the bodies are for one goroutine, and one body
// at a time.
type Ahead struct {
	Origin
	objects []Object // in order of their names

	launch  func(*part)
	stop    context.CancelFunc // ends what was launched; nil without
	running sync.WaitGroup

	queue  []*part // launched and not used up, in order
	next   int     // the object of the part to launch next
	offset int64   // where in it
	window int64
	ahead  int64 // bytes in queue
	spare  [][]byte

	torn atomic.Uint64
}

// part is a piece of an object on its way.
type part struct {
	object int
	offset int64
	data   []byte        // as long as the part will be
	n      atomic.Int64  // how much of it has come
	more   chan struct{} // says so
	err    error         // why no more will come, once done is closed
	done   chan struct{}
}

// NewAhead returns an origin that reads the listed objects ahead. It must be
// closed.
func NewAhead(from Origin, objects []Object) *Ahead {
	return &Ahead{Origin: from, objects: objects, launch: func(*part) {}}
}

// Torn returns how many reads broke off and were taken up again. It may be
// called from any goroutine.
func (a *Ahead) Torn() uint64 { return a.torn.Load() }

// Open opens an object that was listed. What is opened next costs no time where
// it is the object that follows.
func (a *Ahead) Open(ctx context.Context, o Object, offset, size int64) (io.ReadCloser, error) {
	i, ok := a.find(o)
	if !ok {
		return a.Origin.Open(ctx, o, offset, size)
	}
	if !a.due(i, offset) {
		a.restart(ctx, i, offset)
	}
	a.fill()
	return &body{ahead: a, ended: ctx.Done(), cause: ctx.Err, object: i, left: size}, nil
}

// ReaderAt reads an object that was listed at any place, without reading ahead.
// Reads that break off are taken up again as well.
func (a *Ahead) ReaderAt(ctx context.Context, o Object) io.ReaderAt {
	i, _ := a.find(o)
	return readerAt(func(p []byte, offset int64) (int, error) {
		if offset < 0 || offset >= o.Size {
			return 0, io.EOF
		}
		p = p[:min(int64(len(p)), o.Size-offset)]
		piece := &part{object: i, offset: offset, data: p, more: make(chan struct{}, 1), done: make(chan struct{})}
		a.fetch(ctx, piece)
		return int(piece.n.Load()), piece.err
	})
}

type readerAt func(p []byte, offset int64) (int, error)

// ReadAt is that of io.ReaderAt.
func (f readerAt) ReadAt(p []byte, offset int64) (int, error) {
	n, err := f(p, offset)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

func (a *Ahead) find(o Object) (int, bool) {
	return slices.BinarySearchFunc(a.objects, o.Name, func(o Object, name string) int { return cmp.Compare(o.Name, name) })
}

// due reports whether the object at that offset is what comes next.
func (a *Ahead) due(object int, offset int64) bool {
	switch {
	case a.stop == nil:
		return false
	case len(a.queue) > 0:
		return a.queue[0].object == object && a.queue[0].offset == offset
	}
	return a.next == object && a.offset == offset
}

// restart drops what was read ahead and begins anew.
func (a *Ahead) restart(ctx context.Context, object int, offset int64) {
	a.cancel()
	ctx, a.stop = context.WithCancel(ctx)
	a.launch = func(p *part) { a.running.Go(func() { a.fetch(ctx, p) }) }
	a.next, a.offset, a.window = object, offset, firstBytes
}

// cancel waits until nothing is launched any more and drops what has come.
func (a *Ahead) cancel() {
	if a.stop != nil {
		a.stop()
	}
	a.running.Wait()
	a.queue, a.ahead = nil, 0
}

// Close ends reading ahead and waits until it has ended.
func (a *Ahead) Close() {
	a.cancel()
	a.stop = nil
}

// fill launches parts while the window has room.
func (a *Ahead) fill() {
	for a.next < len(a.objects) && a.ahead < a.window && len(a.queue) < aheadParts {
		size := min(a.objects[a.next].Size-a.offset, partBytes, a.window-a.ahead)
		p := &part{object: a.next, offset: a.offset, data: a.buffer(size), more: make(chan struct{}, 1), done: make(chan struct{})}
		a.queue = append(a.queue, p)
		a.ahead += size
		if a.offset += size; a.offset >= a.objects[a.next].Size {
			a.next, a.offset = a.next+1, 0
		}
		a.launch(p)
	}
}

// buffer returns memory for a part, from parts that are used up where it fits.
func (a *Ahead) buffer(size int64) []byte {
	for i, b := range a.spare {
		if int64(cap(b)) >= size {
			a.spare = slices.Delete(a.spare, i, i+1)
			return b[:size]
		}
	}
	return make([]byte, size)
}

// use gives up the first part of the queue, and opens the window.
func (a *Ahead) use() {
	p := a.queue[0]
	a.queue = slices.Delete(a.queue, 0, 1)
	a.ahead -= int64(len(p.data))
	a.window = min(2*a.window, aheadBytes)
	if cap(p.data) == partBytes {
		a.spare = append(a.spare, p.data)
	}
}

// fetch reads a part, however often the reading breaks off.
func (a *Ahead) fetch(ctx context.Context, p *part) {
	defer close(p.done)
	var waiting *pace.Pacer
	for tries := 0; ; {
		had := p.n.Load()
		err := a.read(ctx, p)
		if p.n.Load() == int64(len(p.data)) {
			return
		}
		if p.n.Load() > had {
			tries = 0
		}
		if tries++; ctx.Err() != nil || tries == maxTries || !torn(err) {
			p.err = err
			return
		}
		a.torn.Add(1)
		if tries == 1 {
			continue
		}
		if waiting == nil {
			waiting = pace.NewPacer(pace.NewClock())
		}
		if p.err = waiting.Sleep(ctx, firstPause<<tries); p.err != nil {
			return
		}
	}
}

// read reads on where the part has got to. It returns an error if that is not to
// its end.
func (a *Ahead) read(ctx context.Context, p *part) error {
	ctx, cancel := context.WithTimeout(ctx, longestTry)
	defer cancel()
	object, at := a.objects[p.object], p.n.Load()
	r, err := a.Origin.Open(ctx, object, p.offset+at, int64(len(p.data))-at)
	if err != nil {
		return err
	}
	defer r.Close() // what was read is as good whatever it says
	for at < int64(len(p.data)) {
		n, err := r.Read(p.data[at:])
		if n > 0 {
			at = p.n.Add(int64(n))
			select {
			case p.more <- struct{}{}:
			default:
			}
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("%w: it was listed with %d bytes", io.ErrUnexpectedEOF, object.Size)
		default:
			return err
		}
	}
	return nil
}

// torn tells reads that may go on from those that never will. Opening again has
// been tried by whoever says that it cannot be done.
func torn(err error) bool {
	return !errors.Is(err, ErrChanged) && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission)
}

// body is an object as it comes out of the queue.
type body struct {
	ahead  *Ahead
	ended  <-chan struct{} // the context of its opening
	cause  func() error
	object int
	left   int64
	at     int64 // in the first part of the queue
}

// Read waits for bytes that are due.
func (b *body) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.EOF
	}
	b.ahead.fill()
	if len(b.ahead.queue) == 0 || b.ahead.queue[0].object != b.object {
		return 0, fmt.Errorf("reading ahead: %w", fs.ErrClosed)
	}
	head := b.ahead.queue[0]
	if err := b.wait(head); err != nil {
		return 0, err
	}
	n := copy(p[:min(int64(len(p)), b.left)], head.data[b.at:head.n.Load()])
	b.at += int64(n)
	b.left -= int64(n)
	if b.at == int64(len(head.data)) {
		<-head.done
		b.ahead.use()
		b.at = 0
	}
	return n, nil
}

// wait returns when the part has bytes that were not read, or why it never will.
func (b *body) wait(p *part) error {
	for p.n.Load() == b.at {
		select {
		case <-p.more:
		case <-p.done:
			if p.n.Load() == b.at {
				return p.err
			}
		case <-b.ended:
			return b.cause()
		}
	}
	return nil
}

// Close ends the body. What was read ahead of it is kept only after its end.
func (b *body) Close() error {
	if b.left > 0 {
		b.ahead.Close()
	}
	return nil
}
