//go:build !amd64

package md5lanes

// compressions returns those that this machine can run: none.
func compressions() (half, full compression) { return nil, nil }
