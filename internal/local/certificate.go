package local

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/kload/kload"
)

// certificateLife is how long a certificate made at the start is valid.
const certificateLife = 365 * 24 * time.Hour

// selfSigned makes a certificate authority and a certificate of it for the given
// hosts. The authority's key is forgotten at once: whoever trusts it trusts this
// one certificate, whose key never leaves the process.
func selfSigned(hosts []string, now time.Time) (cert tls.Certificate, caPEM []byte, err error) {
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kload local"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certificateLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: hosts[0]},
		NotBefore: ca.NotBefore, NotAfter: ca.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		} else {
			leaf.DNSNames = append(leaf.DNSNames, host)
		}
	}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return cert, nil, fmt.Errorf("making a key: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return cert, nil, fmt.Errorf("making a key: %w", err)
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return cert, nil, fmt.Errorf("making a certificate authority: %w", err)
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	if err != nil {
		return cert, nil, fmt.Errorf("making a certificate: %w", err)
	}
	cert = tls.Certificate{Certificate: [][]byte{der, caDER}, PrivateKey: key}
	return cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: caDER}), nil
}

// writeCA writes the authority's certificate where clients find it: to a file of
// that name or, without one, to a temporary file, which ends with the server.
func writeCA(name string, text []byte) (path string, temporary bool, err error) {
	if name == "" {
		path, err = writeTemporary(text)
		return path, true, err
	}
	old, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", false, fmt.Errorf("writing the certificate: %w", err)
	}
	if len(old) > 0 && !bytes.HasPrefix(old, []byte("-----BEGIN CERTIFICATE-----")) {
		return "", false, kload.WithHint(fmt.Errorf("%w: %s exists and is no certificate", kload.ErrInvalid, name),
			"name a file that may be overwritten")
	}
	if path, err = filepath.Abs(name); err == nil {
		err = os.WriteFile(path, text, 0o644)
	}
	if err != nil {
		return "", false, fmt.Errorf("writing the certificate: %w", err)
	}
	return path, false, nil
}

func writeTemporary(text []byte) (path string, err error) {
	f, err := os.CreateTemp("", "kload-ca-*.pem")
	if err != nil {
		return "", fmt.Errorf("writing the certificate: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("writing the certificate: %w", err)
	}
	return f.Name(), nil
}
