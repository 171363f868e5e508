package md5lanes

// Every returns a hasher for each way in which this machine can digest, the
// slowest first.
func Every() []*Hasher {
	list := []*Hasher{newHasher(nil, nil)}
	half, full := compressions()
	if half != nil {
		list = append(list, newHasher(half, nil))
	}
	if full != nil {
		list = append(list, newHasher(half, full))
	}
	return list
}
