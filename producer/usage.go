package producer

// Usage is what the process of a driver used, where that has one of its own.
type Usage struct {
	CPUSeconds     float64
	MaxRSSBytes    uint64
	AllocatedBytes uint64
	GCSeconds      float64
	// SDKCalls and SDKAttempts count its data calls and the requests they sent.
	SDKCalls, SDKAttempts uint64
}
