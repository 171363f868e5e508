package replay

// Seams for the tests in package replay_test.
var ParseTime = parseTime

const (
	MaxLine = maxLine
	MaxRows = maxRows
)
