//go:build !invariants && !race

package invariants

// Enabled says whether this build checks invariants and poisons released memory.
const Enabled = false
