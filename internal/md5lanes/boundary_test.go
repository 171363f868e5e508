//go:build unix

package md5lanes_test

import (
	"os"
	"syscall"
	"testing"

	"github.com/kload/kload/internal/md5lanes"
)

// guarded returns a page of memory whose neighbours must not be touched.
func guarded(t *testing.T) []byte {
	t.Helper()
	page := os.Getpagesize()
	m, err := syscall.Mmap(-1, 0, 3*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Munmap(m); err != nil {
			t.Error(err)
		}
	})
	for _, beside := range [][]byte{m[:page], m[2*page:]} {
		if err := syscall.Mprotect(beside, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	return m[page : 2*page : 2*page]
}

// TestBounds puts messages of each length at the beginning and at the end of memory
// beyond which a read is fatal. They begin at all alignments.
func TestBounds(t *testing.T) {
	ways, memory := md5lanes.Every(), guarded(t)
	for i := range memory {
		memory[i] = byte(i * i >> 3)
	}
	for _, count := range []int{3, 8, 9, 16, 17} {
		for n := range 260 {
			messages := make([][]byte, count)
			for i := range messages {
				at := max(0, n-i) // all lanes have another length
				messages[i] = memory[len(memory)-at:]
				if i%2 > 0 {
					messages[i] = memory[:at:at]
				}
			}
			check(t, ways, messages)
		}
	}
}
