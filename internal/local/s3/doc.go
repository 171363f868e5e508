// Package s3 is the embedded target's S3 endpoint: buckets that are folders and
// objects that are files, served to the unmodified AWS SDKs.
//
// [New] returns a [Server], an http.Handler for plain HTTP or TLS, on a socket or
// in memory. Addresses are in path style (http://host/bucket/key). gofakes3 parses
// requests and words answers; admission, bodies, checksums, signatures and storage
// are this package's.
//
// # What is served
//
// Buckets: create, delete, head, list, location. Objects: put, get and head with
// ranges, part numbers and conditions, copy, delete, delete many, both listings
// with prefix, delimiter and pages. Multipart uploads with all their calls,
// UploadPartCopy included. Presigned requests. Whatever is not, such as
// versions, tags, access lists or customer keys, is answered 501 and never
// taken for something else.
//
// # Bodies
//
// Every form of aws-chunked that S3 documents is decoded. Length, Content-MD5,
// X-Amz-Content-Sha256, the checksum in a header or trailer, and with keys the
// signature of each chunk, are compared before an object becomes visible. CRC32,
// CRC32C, CRC64NVME, SHA1, SHA256, SHA512 and MD5 are known; what a client gave is
// returned when it asks. ETags are those of S3: the MD5 of the object, or of its
// parts' MD5s with their number.
//
// # On disk
//
// Dir/<bucket>/<key> holds the object, with the key's slashes as folders. So a
// file that is put there by hand is an object; its ETag is worked out when it is
// first asked for, and again when its size or modification time has changed.
//
// Segments of a key that cannot be file names are called ".kload~" and the
// segment with "%XX" for the percent sign, tilde, backslash and colon, and for
// dots where there is nothing else: empty segments, ".", "..", those with a
// backslash or colon, and those that begin with ".kload~". Of two objects "a" and
// "a/b" the first one's file is called ".kload~a~", since "a" is a folder. A
// segment whose name would be longer than 255 bytes is refused
// (KeyTooLongError), and so is a key that is not UTF-8 or has control characters
// (InvalidURI). All names go through os.Root: a symbolic link out of the folder is
// refused, and listings pass over links of any kind. On a file system that
// ignores case, so do keys.
//
// What S3 keeps about an object besides its bytes is in
// Dir/.kload-s3/meta/<bucket>, one file per version. Parts of unfinished uploads are
// in Dir/.kload-s3/uploads, files being written in Dir/.kload-s3/tmp.
//
// # Visibility and durability
//
// An object is written to a temporary file and renamed: readers see the old one
// or the new one, each with its own description, and after an error nothing. With
// [Config.Durable] it is synced before it is acknowledged. A full disk is
// answered 507, which SDKs do not retry. Memory does not grow with the size of
// objects or of buckets.
package s3
