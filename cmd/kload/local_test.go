package main

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// endpoint waits until a job serves and sets variables to its URL and address, and to
// the URL of its S3: endpoint JOB URL ADDRESS [S3]
func endpoint(ts *testscript.TestScript, _ bool, args []string) {
	said := regexp.MustCompile(`(?m)^kload: serving Kinesis on (https?://\S+) as process \d+`)
	await(ts, false, []string{args[0], said.String()})
	url := said.FindStringSubmatch(find(ts, args[0]).stderr.String())[1]
	ts.Setenv(args[1], url)
	_, address, _ := strings.Cut(url, "://")
	ts.Setenv(args[2], address)
	if len(args) > 3 {
		said = regexp.MustCompile(`(?m)^kload: serving S3 on (https?://\S+)$`)
		await(ts, false, []string{args[0], said.String()})
		ts.Setenv(args[3], said.FindStringSubmatch(find(ts, args[0]).stderr.String())[1])
	}
}

// fetch prints the page at a URL: fetch URL [ACCEPT]
func fetch(ts *testscript.TestScript, _ bool, args []string) {
	r, err := http.NewRequest(http.MethodGet, args[0], nil)
	ts.Check(err)
	if len(args) > 1 {
		r.Header.Set("Accept", args[1])
	}
	answer, err := http.DefaultClient.Do(r)
	ts.Check(err)
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		ts.Fatalf("%s: %s", args[0], answer.Status)
	}
	_, err = io.Copy(ts.Stdout(), answer.Body)
	ts.Check(err)
}

// appears waits for a file that a job writes: appears FILE
func appears(ts *testscript.TestScript, _ bool, args []string) {
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	tooLong := time.NewTimer(patience)
	defer tooLong.Stop()
	for {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
		select {
		case <-again.C:
		case <-tooLong.C:
			ts.Fatalf("there is still no %s", args[0])
		}
	}
}
