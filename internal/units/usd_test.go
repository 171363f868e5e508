package units_test

import (
	"testing"

	"github.com/kload/kload/internal/units"
)

func TestUSD(t *testing.T) {
	for text, want := range map[string]string{
		"1 USD": "1.00 USD", "0.5 USD": "0.50 USD", " 12.345 USD ": "12.345 USD", "0.0001 USD": "0.0001 USD",
		"0 USD": "",
		"1":     "", "1 EUR": "", "-1 USD": "", "USD": "", "1e3 USD": "", "NaN USD": "", "": "",
	} {
		got, err := units.ParseUSD(text)
		if (err != nil) != (want == "") || err == nil && got.String() != want {
			t.Errorf("ParseUSD(%q) = %v, %v; want %q", text, got, err, want)
		}
	}
}
