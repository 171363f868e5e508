package kinesis

import "github.com/kload/kload/internal/local/httpapi"

const (
	encryptedKMS    = "KMS"
	notEncrypted    = "NONE"
	maxKeyID        = 2048
	maxEncryptTimes = 25 // in a rolling day, each way
)

// startStreamEncryption is the API action StartStreamEncryption.
//
//   - Descriptions, answers to puts, and the records put from then on say
//     EncryptionType KMS. Nothing is encrypted and no key is looked for. The 5 s
//     that the service may take are not modelled.
//   - EncryptionType NONE, which the model allows, is refused: KMS is the only type.
//   - 25 calls in a rolling 24 hours. The stream is UPDATING for
//     Config.StateDelay.
func (s *Server) startStreamEncryption(rq *request) error {
	return s.encrypt(rq, true)
}

// encrypt answers both operations on encryption.
func (s *Server) encrypt(rq *request, on bool) error {
	t, key, err := rq.readEncryption()
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.unlock(rq)
	st, err := rq.activeStream(&t)
	if err != nil {
		return err
	}
	calls := &st.decryptions
	if on {
		calls = &st.encryptions
	}
	if !calls.below(maxEncryptTimes, rq.now) {
		return httpapi.Refuse("LimitExceededException",
			"Stream %s under account %s has changed its encryption %d times in the last 24 hours, the limit.", st.name, st.account, maxEncryptTimes)
	}
	calls.add(rq.now)
	if !on {
		key = ""
	}
	st.set(func(set *settings) { set.keyID = key })
	st.update(s.cfg.StateDelay, rq.now)
	return nil
}

func (rq *request) readEncryption() (t target, key string, err error) {
	none := false
	err = rq.read(func(m httpapi.Members, v *httpapi.Violations) {
		t.read(m)
		if kind, ok := m.String("EncryptionType"); ok {
			v.Enum("encryptionType", kind, notEncrypted, encryptedKMS)
			none = kind == notEncrypted
		} else {
			v.Missing("encryptionType")
		}
		var ok bool
		if key, ok = m.String("KeyId"); ok {
			v.Length("keyId", key, len(key), 1, maxKeyID)
		} else {
			v.Missing("keyId")
		}
		t.check(v)
	})
	if err == nil && none {
		err = httpapi.Refuse("InvalidArgumentException", "EncryptionType NONE is not a type of encryption: the only valid value is KMS.")
	}
	return t, key, err
}
