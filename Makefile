# The parts of .ci/run that one needs while working. BENCH, PKG and BENCHTIME
# narrow `make bench`, for example: make bench PKG=./internal/kpl BENCH=Encode
BENCH ?= .
PKG ?= ./...
BENCHTIME ?= 1s

# How often bench-producer repeats each measurement.
ROUNDS ?= 5

.PHONY: test lint bench bench-producer e2e interop fuzz

test: ; go test ./...

lint: ; go test ./internal/arch && go tool -modfile=tools/go.mod golangci-lint run

bench: ; go test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) $(PKG)

# The producer beside its peers and the floor: lines for benchstat, then medians
# against the bars; then pacing, five seconds for each way and rate.
bench-producer:
	go test ./test/bench -count=1 -timeout 2h -v -run '^TestProducer$$' -rounds $(ROUNDS)
	go test ./producer -count=$(ROUNDS) -timeout 2h -run '^$$' -bench '^BenchmarkPacing$$' -benchtime 1x

e2e: ; go run ./cmd/kload run quickstart

interop: ; KLOAD_INTEROP=must go test -tags interop ./test/interop/...

fuzz: ; bash .ci/run fuzz
