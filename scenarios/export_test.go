package scenarios

// Decode is decode, for texts that are in no file.
func Decode(file string, src []byte, o OpenOptions) (*Scenario, error) { return decode(file, src, o) }
