# The parts of .ci/run that one needs while working. BENCH, PKG and BENCHTIME
# narrow `make bench`, for example: make bench PKG=./internal/kpl BENCH=Encode
BENCH ?= .
PKG ?= ./...
BENCHTIME ?= 1s

# How often bench-producer, bench-consumer and bench-e2e repeat each measurement.
ROUNDS ?= 5

.PHONY: test lint bench bench-e2e bench-local bench-replay bench-producer bench-consumer e2e interop conformance fuzz

test: ; go test ./...

lint: ; go test ./internal/arch && go tool -modfile=tools/go.mod golangci-lint run

bench: ; go test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) $(PKG)

# The scenario max-throughput, and what a record costs in it, by engine; then what
# one costs on ten shards and on a thousand. Eight minutes.
bench-e2e: ; KLOAD_BENCH=full go test -count=1 -v -timeout 1h -run 'TestEndToEnd|TestShards' ./test/bench/e2e -rounds $(ROUNDS)

# Recorded data on its way into an ingress that takes everything; four minutes.
bench-replay: ; KLOAD_BENCH=full go test -count=1 -v -run '^TestReplay$$' ./test/bench/replay

bench-local: ; KLOAD_BENCH=full go test -count=1 -v -run TestLocal ./test/bench/target

# The producer beside its peers and the floor: lines for benchstat, then medians
# against the bars; then pacing, five seconds for each way and rate.
bench-producer:
	go test ./test/bench/producer -count=1 -timeout 2h -v -run '^TestProducer$$' -rounds $(ROUNDS)
	go test ./producer -count=$(ROUNDS) -timeout 2h -run '^$$' -bench '^BenchmarkPacing$$' -benchtime 1x

# The consumer beside the SDK as it comes and awslabs' module; eight minutes.
bench-consumer: ; go test ./test/bench/consumer -count=1 -timeout 1h -v -run '^TestConsumer$$' -rounds $(ROUNDS)

e2e: ; go run ./cmd/kload run quickstart

interop: ; KLOAD_INTEROP=must go test -count=1 -tags interop ./internal/interop/...

# Checks the other services anew, which takes six minutes, and writes the table.
conformance:
	KLOAD_INTEROP=must go test -count=1 -timeout 30m -tags interop -run 'TestConformance$$' ./internal/interop -update
	go test -count=1 -run 'TestConformance$$' ./internal/local/kinesis -update

fuzz: ; bash .ci/run fuzz
