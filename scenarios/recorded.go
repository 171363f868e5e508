package scenarios

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/kload/kload"
	"github.com/kload/kload/internal/awsclient"
	"github.com/kload/kload/internal/trace"
	"github.com/kload/kload/replay"
)

// recorded checks where a load's recorded data is to come from, and what its
// watermarks need.
func (v *validator) recorded(path string, p *loadPlan) {
	c, ok := p.spec.Source.Config.(*replay.Config)
	if !ok {
		return
	}
	if c.Watermarks && p.carrier == trace.None && v.spec.Consumers.Len() > 0 {
		v.problem(path+".trace", "without traces consumers cannot tell watermarks from records that are sent twice", "set trace: tag, remove the consumers, or leave out watermarks")
	}
	name, _, local, err := c.LocalData()
	switch {
	case err != nil:
		v.problem(path+".source.replay.from", err.Error(), hintOf(err))
	case local && v.spec.Target.Kind != "local":
		v.problem(path+".source.replay.from", "local: is in the S3 of the embedded target, which this run does not have",
			"use builtin:"+name+", or --target local")
	}
}

// localData lists the data sets that the loads read out of the embedded target's
// S3, by bucket.
func (s *Spec) localData() map[string]fs.FS {
	data := map[string]fs.FS{}
	for _, l := range s.Load.All() {
		if c, ok := l.Source.Config.(*replay.Config); ok {
			if name, files, ok, err := c.LocalData(); ok && err == nil {
				data[name] = files
			}
		}
	}
	return data
}

// reaching says how sources reach the data that they replay.
func (e *endpoint) reaching() replay.Options {
	at := replay.Options{S3: awsclient.Options{Region: e.spec.Target.Region, Profile: e.spec.Target.Profile}}
	if e.local != nil {
		o := e.how
		at.Local = &o
	}
	return at
}

// stock puts the data sets that the loads will read into the embedded target's
// S3.
func (e *endpoint) stock(ctx context.Context) error {
	data := e.spec.localData()
	if len(data) == 0 || e.local == nil {
		return nil
	}
	client, err := awsclient.NewS3(ctx, e.how)
	if err != nil {
		return err
	}
	defer client.Close()
	for bucket, files := range data {
		_, err := client.API.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(bucket)})
		if err != nil {
			return client.Explain(err, "creating bucket "+bucket+" of the embedded target")
		}
		if err := upload(ctx, client, bucket, files); err != nil {
			return err
		}
	}
	return nil
}

// upload copies a tree of small files into a bucket.
func upload(ctx context.Context, client *awsclient.S3, bucket string, files fs.FS) error {
	return fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(files, name)
		if err != nil {
			return fmt.Errorf("reading recorded data: %w", err)
		}
		_, err = client.API.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(name), Body: bytes.NewReader(body)})
		return client.Explain(err, "copying "+name+" into bucket "+bucket+" of the embedded target")
	})
}

// recordings opens recorded data for the loads of a run. The context governs the
// opening.
func (e *endpoint) recordings(ctx context.Context) func(replay.Config, *replay.Checkpoint) (kload.Source, error) {
	return func(c replay.Config, at *replay.Checkpoint) (kload.Source, error) {
		o := e.reaching()
		o.At = at
		var s *replay.Source
		err := labelled(ctx, engineReplay, func(ctx context.Context) (err error) {
			s, err = replay.Open(ctx, c, o)
			return err
		})
		if err != nil {
			return nil, err
		}
		return s, nil
	}
}

// unread refuses recorded data where nothing is run.
func unread(replay.Config, *replay.Checkpoint) (kload.Source, error) {
	return nil, errors.New("recorded data cannot be sampled")
}

// sources says where the loads' recorded data is and how it is reached, for
// run.json.
func (r *run) sources() map[string]string {
	var out map[string]string
	for _, l := range r.loads {
		if s, ok := l.source.(interface{ From() string }); ok {
			if out == nil {
				out = map[string]string{}
			}
			out[l.plan.name] = s.From()
		}
	}
	return out
}
