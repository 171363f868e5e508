//go:build !unix

package local

func fileLimit() int { return 0 }
