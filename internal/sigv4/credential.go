package sigv4

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// credential is what a request says about its signature.
type credential struct {
	accessKey, date, region, service, terminator string

	signed    []string // names of the signed headers
	signature string
	token     string
	time      time.Time
	presigned bool
	expires   time.Duration // of a presigned request
	payload   string
}

func (c *credential) scope() string {
	return c.date + "/" + c.region + "/" + c.service + "/" + terminator
}

// read finds the signature of a request.
func read(r *http.Request, query []parameter) (*credential, error) {
	header := r.Header.Get("Authorization")
	_, presigned := find(query, "X-Amz-Algorithm")
	_, version2 := find(query, "AWSAccessKeyId")
	switch {
	case presigned && header != "":
		return nil, refuse(TwoSignatures, "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.")
	case presigned:
		return readQuery(query)
	case version2: // the presigned URLs of some SDKs, unless told otherwise
		return nil, refuse(Malformed, "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")
	case header == "":
		return nil, refuse(Missing, "Missing Authentication Token")
	}
	return readHeader(r, header)
}

func readHeader(r *http.Request, header string) (*credential, error) {
	fields, err := authorization(header)
	if err != nil {
		return nil, err
	}
	c := &credential{signature: fields["Signature"], token: r.Header.Get("X-Amz-Security-Token")}
	var missing []string
	for _, name := range []string{"Credential", "Signature", "SignedHeaders"} {
		if fields[name] == "" {
			missing = append(missing, "Authorization header requires '"+name+"' parameter.")
		}
	}
	at := r.Header.Get("X-Amz-Date")
	if at == "" {
		at = r.Header.Get("Date")
	}
	if at == "" {
		missing = append(missing, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	if missing != nil {
		return nil, refuse(Malformed, "%s", strings.Join(missing, " "))
	}
	if err := c.parse(fields["Credential"], fields["SignedHeaders"], at); err != nil {
		return nil, err
	}
	return c, nil
}

// authorization parses the Authorization header: an algorithm and name=value
// pairs with commas between them.
func authorization(header string) (map[string]string, error) {
	kind, rest, _ := strings.Cut(header, " ")
	if kind != algorithm {
		return nil, refuse(Malformed, "Unsupported AWS 'algorithm': '%s'.", kind)
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := fields[name]; !ok || twice {
			return nil, refuse(Malformed, "'%s' not a valid key=value pair (missing equal-sign or repeated) in Authorization header.",
				strings.TrimSpace(part))
		}
		fields[name] = value
	}
	return fields, nil
}

func readQuery(query []parameter) (*credential, error) {
	for _, name := range []string{
		"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date",
	} {
		if v, _ := find(query, name); v == "" {
			return nil, refuse(Malformed, "AWS query-string parameters must include '%s'.", name)
		}
	}
	get := func(name string) string {
		v, _ := find(query, name)
		return v
	}
	if kind := get("X-Amz-Algorithm"); kind != algorithm {
		return nil, refuse(Malformed, "Unsupported AWS 'algorithm': '%s'.", kind)
	}
	c := &credential{presigned: true, signature: get("X-Amz-Signature"), token: get("X-Amz-Security-Token"), expires: MaxSkew}
	if text, ok := find(query, "X-Amz-Expires"); ok {
		seconds, err := strconv.ParseUint(text, 10, 32)
		c.expires = time.Duration(seconds) * time.Second
		if err != nil || seconds == 0 || c.expires > MaxExpiry {
			return nil, refuse(Malformed, "X-Amz-Expires must be a number of seconds from 1 to 604800.")
		}
	}
	if err := c.parse(get("X-Amz-Credential"), get("X-Amz-SignedHeaders"), get("X-Amz-Date")); err != nil {
		return nil, err
	}
	return c, nil
}

// parse takes what header and query have in common.
func (c *credential) parse(scope, signed, at string) error {
	parts := strings.Split(scope, "/")
	n := len(parts)
	if n < 5 {
		return refuse(Malformed, "Credential must have at least 5 slash-delimited elements, got '%s'.", scope)
	}
	c.accessKey = strings.Join(parts[:n-4], "/")
	c.date, c.region, c.service, c.terminator = parts[n-4], parts[n-3], parts[n-2], parts[n-1]
	c.signed = strings.Split(signed, ";")
	var err error
	if c.time, err = time.Parse(timeFormat, at); err != nil {
		if c.time, err = http.ParseTime(at); err != nil {
			return refuse(Malformed, "Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601", at)
		}
	}
	c.time = c.time.UTC()
	return nil
}

// current checks the signature's time.
func (c *credential) current(now time.Time) error {
	now = now.UTC()
	at, life, why := c.time.Format(timeFormat), MaxSkew, Skewed
	if c.presigned {
		life, why = c.expires, Expired
	}
	switch {
	case c.time.After(now.Add(MaxSkew)):
		return refuse(Skewed, "Signature not yet current: %s is still later than %s (%s + 15 min.)",
			at, now.Add(MaxSkew).Format(timeFormat), now.Format(timeFormat))
	case c.time.Add(life).Before(now):
		return refuse(why, "Signature expired: %s is now earlier than %s (%s - %d min.)",
			at, now.Add(-life).Format(timeFormat), now.Format(timeFormat), life/time.Minute)
	}
	return nil
}

// complete checks that the signature covers what must not be changed on the
// way: the host and all x-amz- headers.
func (c *credential) complete(r *http.Request) error {
	if !slices.ContainsFunc(hostNames(), func(name string) bool { return slices.Contains(c.signed, name) }) {
		return refuse(UnsignedHeaders, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	for name := range r.Header {
		name = strings.ToLower(name)
		if strings.HasPrefix(name, "x-amz-") && !slices.Contains(c.signed, name) {
			return refuse(UnsignedHeaders, "'%s' must be a 'SignedHeader' in the AWS Authorization.", name)
		}
	}
	return nil
}
