package kinesis

import (
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/kload/kload/internal/local/httpapi"
)

// pageToken is what a NextToken stands for.
type pageToken struct {
	Action  string
	Stream  string
	Created int64 // of the stream, ns
	After   string
	Filter  shardFilter // of ListShards
	Limit   int64
	Issued  int64 // ms since 1970
}

// sealToken makes a token opaque.
func (s *Server) sealToken(t pageToken) string {
	plain, err := json.Marshal(t)
	if err != nil { // strings and numbers always encode
		return ""
	}
	return base64.StdEncoding.EncodeToString(s.seal.Seal(nil, nil, plain, nil))
}

// openToken returns what a token of an action stands for, unless it is older
// than 300 s.
func (s *Server) openToken(action, text string, now time.Time) (t pageToken, err error) {
	sealed, err := base64.StdEncoding.DecodeString(text)
	if err == nil {
		sealed, err = s.seal.Open(nil, nil, sealed, nil)
	}
	if err == nil {
		err = json.Unmarshal(sealed, &t)
	}
	if err != nil || t.Action != action {
		return t, httpapi.Refuse("InvalidArgumentException", "Invalid NextToken.")
	}
	if now.UnixMilli()-t.Issued > tokenTTL.Milliseconds() {
		return t, httpapi.Refuse("ExpiredNextTokenException", "NextToken has expired. It was valid for %d seconds.",
			int(tokenTTL/time.Second))
	}
	return t, nil
}
