package local

import "strings"

// Variable is one of the environment.
type Variable struct{ Name, Value string }

// anyCredentials are given to clients whose signatures nobody checks: they want
// some. That they replace real ones is all the better.
const anyCredentials = "local"

// Environ returns the variables that point AWS tools and SDKs at the server, the
// secret key apart where the server checks signatures: whoever set it has it.
func (s *Server) Environ() []Variable {
	region := s.service.kinesis.Config().Region
	out := []Variable{
		{"AWS_ENDPOINT_URL_KINESIS", s.Endpoint()},
		{"AWS_REGION", region},
		{"AWS_DEFAULT_REGION", region}, // boto3 knows no other
	}
	if s3 := s.BucketsEndpoint(); s3 != "" {
		out = append(out, Variable{"AWS_ENDPOINT_URL_S3", s3})
	}
	if len(s.cfg.Keys) > 0 {
		out = append(out, Variable{"AWS_ACCESS_KEY_ID", s.cfg.Keys[0].ID})
	} else {
		out = append(out, Variable{"AWS_ACCESS_KEY_ID", anyCredentials}, Variable{"AWS_SECRET_ACCESS_KEY", anyCredentials})
	}
	if s.ca != "" {
		out = append(out, Variable{"AWS_CA_BUNDLE", s.ca})
	}
	return out
}

// Export returns the command that sets the variable in a POSIX shell.
func (v Variable) Export() string {
	return "export " + v.Name + "=" + shellWord(v.Value)
}

func shellWord(s string) string {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:@%+,="
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
