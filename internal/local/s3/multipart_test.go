package s3_test

import (
	"bytes"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/kload/kload/internal/local/s3"
)

// begin starts an upload.
func (e *endpoint) begin(t *testing.T, key string, algorithm types.ChecksumAlgorithm, kind types.ChecksumType) *string {
	t.Helper()
	out, err := e.CreateMultipartUpload(t.Context(), &awss3.CreateMultipartUploadInput{
		Bucket: aws.String(bucket), Key: &key, ContentType: aws.String("text/csv"), Metadata: map[string]string{"m": "v"},
		ChecksumAlgorithm: algorithm, ChecksumType: kind,
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.UploadId
}

func (e *endpoint) part(t *testing.T, key string, id *string, number int32, data []byte, algorithm types.ChecksumAlgorithm) types.CompletedPart {
	t.Helper()
	out, err := e.UploadPart(t.Context(), &awss3.UploadPartInput{
		Bucket: aws.String(bucket), Key: &key, UploadId: id, PartNumber: &number, Body: bytes.NewReader(data), ChecksumAlgorithm: algorithm,
	})
	if err != nil {
		t.Fatal(err)
	}
	return types.CompletedPart{PartNumber: &number, ETag: out.ETag}
}

func (e *endpoint) complete(t *testing.T, key string, id *string, parts ...types.CompletedPart) (*awss3.CompleteMultipartUploadOutput, error) {
	t.Helper()
	return e.CompleteMultipartUpload(t.Context(), &awss3.CompleteMultipartUploadInput{
		Bucket: aws.String(bucket), Key: &key, UploadId: id, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
}

func TestMultipart(t *testing.T) {
	e := serve(t, s3.Config{}, httptest.NewServer)
	data := noise(11 << 20)
	for _, c := range []struct {
		algorithm types.ChecksumAlgorithm
		kind      types.ChecksumType
		sum       func(*awss3.HeadObjectOutput) *string
	}{
		{"", "", func(*awss3.HeadObjectOutput) *string { return aws.String("") }},
		{types.ChecksumAlgorithmCrc64nvme, types.ChecksumTypeFullObject, func(o *awss3.HeadObjectOutput) *string { return o.ChecksumCRC64NVME }},
		{types.ChecksumAlgorithmSha256, types.ChecksumTypeComposite, func(o *awss3.HeadObjectOutput) *string { return o.ChecksumSHA256 }},
	} {
		key := "whole" + string(c.algorithm)
		id := e.begin(t, key, c.algorithm, c.kind)
		first := e.part(t, key, id, 2, data[:5<<20], c.algorithm)
		e.part(t, key, id, 7, []byte("sent again below"), c.algorithm)
		last := e.part(t, key, id, 7, data[5<<20:], c.algorithm)
		listed, err := e.ListParts(t.Context(), &awss3.ListPartsInput{Bucket: aws.String(bucket), Key: &key, UploadId: id, MaxParts: aws.Int32(1)})
		if err != nil || len(listed.Parts) != 1 || !*listed.IsTruncated || *listed.NextPartNumberMarker != "2" {
			t.Errorf("first page of parts: %+v, %v", listed, err)
		}
		listed, err = e.ListParts(t.Context(), &awss3.ListPartsInput{Bucket: aws.String(bucket), Key: &key, UploadId: id, PartNumberMarker: aws.String("2")})
		if err != nil || len(listed.Parts) != 1 || *listed.Parts[0].ETag != *last.ETag || *listed.Parts[0].Size != 6<<20 {
			t.Errorf("second page of parts: %+v, %v", listed, err)
		}
		out, err := e.complete(t, key, id, first, last)
		if err != nil {
			t.Fatal(err)
		}
		e.mustHold(t, key, data)
		head, err := e.HeadObject(t.Context(), &awss3.HeadObjectInput{Bucket: aws.String(bucket), Key: &key, ChecksumMode: types.ChecksumModeEnabled})
		if err != nil || *head.ETag != *out.ETag || !strings.HasSuffix(*head.ETag, `-2"`) || *head.ContentType != "text/csv" || head.Metadata["m"] != "v" {
			t.Errorf("head: %+v, %v", head, err)
		}
		if sum := c.sum(head); sum == nil || head.ChecksumType != c.kind || strings.HasSuffix(*sum, "-2") != (c.kind == types.ChecksumTypeComposite) {
			t.Errorf("%s: checksum %v of type %s", key, sum, head.ChecksumType)
		}
		if _, err := e.complete(t, key, id, first, last); code(err) != "NoSuchUpload" {
			t.Errorf("completing twice: %v", err)
		}
		part, err := e.GetObject(t.Context(), &awss3.GetObjectInput{Bucket: aws.String(bucket), Key: &key, PartNumber: aws.Int32(2)})
		if err != nil || *part.ContentLength != 6<<20 || *part.PartsCount != 2 {
			t.Errorf("part 2 of the object: %+v, %v", part, err)
		} else if err := part.Body.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestMultipartRefusals(t *testing.T) {
	e := serve(t, s3.Config{}, httptest.NewServer)
	id := e.begin(t, "k", "", "")
	small, large := e.part(t, "k", id, 1, []byte("small"), ""), e.part(t, "k", id, 2, noise(5<<20), "")
	wrong := types.CompletedPart{PartNumber: aws.Int32(2), ETag: small.ETag}
	absent := types.CompletedPart{PartNumber: aws.Int32(3), ETag: small.ETag}
	for _, c := range []struct {
		name  string
		key   string
		parts []types.CompletedPart
		code  string
	}{
		{"small part first", "k", []types.CompletedPart{small, large}, "EntityTooSmall"},
		{"descending", "k", []types.CompletedPart{large, small}, "InvalidPartOrder"},
		{"another ETag", "k", []types.CompletedPart{wrong}, "InvalidPart"},
		{"not uploaded", "k", []types.CompletedPart{absent}, "InvalidPart"},
		{"none", "k", nil, "MalformedXML"},
		{"another object", "other", []types.CompletedPart{large}, "NoSuchUpload"},
	} {
		if _, err := e.complete(t, c.key, id, c.parts...); code(err) != c.code {
			t.Errorf("%s: %v, want %s", c.name, err, c.code)
		}
	}
	second := e.begin(t, "k", "", "")
	uploads, err := e.ListMultipartUploads(t.Context(), &awss3.ListMultipartUploadsInput{Bucket: aws.String(bucket), MaxUploads: aws.Int32(1)})
	if err != nil || len(uploads.Uploads) != 1 || !*uploads.IsTruncated || *uploads.Uploads[0].UploadId != *id {
		t.Fatalf("first page of uploads: %+v, %v", uploads, err)
	}
	uploads, err = e.ListMultipartUploads(t.Context(), &awss3.ListMultipartUploadsInput{
		Bucket: aws.String(bucket), KeyMarker: uploads.NextKeyMarker, UploadIdMarker: uploads.NextUploadIdMarker,
	})
	if err != nil || len(uploads.Uploads) != 1 || *uploads.Uploads[0].UploadId != *second {
		t.Errorf("second page of uploads: %+v, %v", uploads, err)
	}
	for _, id := range []*string{id, second} {
		if _, err := e.AbortMultipartUpload(t.Context(), &awss3.AbortMultipartUploadInput{Bucket: aws.String(bucket), Key: aws.String("k"), UploadId: id}); err != nil {
			t.Error(err)
		}
	}
	if status, body, _ := e.request(t, "PUT", "/data/k?partNumber=1&uploadId="+*id, "late"); status != 404 || !strings.Contains(body, "NoSuchUpload") {
		t.Errorf("a part after the abort: %d %s", status, body)
	}
	for _, id := range []string{"..", "../meta", strings.Repeat("0", 32), strings.Repeat("F", 32)} {
		if status, body, _ := e.request(t, "PUT", "/data/k?partNumber=1&uploadId="+id, "x"); status != 404 {
			t.Errorf("upload %q: %d %s", id, status, body)
		}
	}
	if list, _ := e.listed(t, awss3.ListObjectsV2Input{}); list != nil {
		t.Errorf("unfinished uploads are objects: %v", list)
	}
}

func TestUploadPartCopy(t *testing.T) {
	e := serve(t, s3.Config{}, httptest.NewServer)
	e.put(t, "from here", "0123456789")
	id := e.begin(t, "to", types.ChecksumAlgorithmCrc32, types.ChecksumTypeFullObject)
	in := &awss3.UploadPartCopyInput{
		Bucket: aws.String(bucket), Key: aws.String("to"), UploadId: id, PartNumber: aws.Int32(1),
		CopySource: aws.String("data/from%20here"), CopySourceRange: aws.String("bytes=2-5"),
	}
	out, err := e.UploadPartCopy(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.complete(t, "to", id, types.CompletedPart{PartNumber: aws.Int32(1), ETag: out.CopyPartResult.ETag}); err != nil {
		t.Fatal(err)
	}
	if got, _ := e.get(t, "to"); got != "2345" {
		t.Errorf("got %q", got)
	}
	in.UploadId, in.CopySourceRange = e.begin(t, "to", "", ""), aws.String("bytes=2-50")
	if _, err := e.UploadPartCopy(t.Context(), in); code(err) != "InvalidArgument" {
		t.Errorf("a range beyond the source: %v", err)
	}
}
