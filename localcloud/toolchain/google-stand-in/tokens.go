package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

const (
	tokenLife = time.Hour
	tokenMark = "ya29.stand-in."
)

// tokens are given to pods and believed when they come back: they say whose they are and until when, and are signed.
type tokens struct {
	key [sha256.Size]byte
}

type claims struct {
	Principal string    `json:"principal"`
	Expires   time.Time `json:"expires"`
}

func (t tokens) issue(principal string, now time.Time) string {
	text, _ := json.Marshal(claims{principal, now.Add(tokenLife)})
	return tokenMark + encoded(text) + "." + encoded(t.sign(text))
}

// principal says whose a token is.
func (t tokens) principal(token string, now time.Time) (string, error) {
	body, signature, _ := strings.Cut(strings.TrimPrefix(token, tokenMark), ".")
	text, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		return "", err
	}
	signed, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil {
		return "", err
	}
	var said claims
	if !hmac.Equal(signed, t.sign(text)) || json.Unmarshal(text, &said) != nil {
		return "", errors.New("nobody here signed this")
	}
	if now.After(said.Expires) {
		return "", errors.New("it has expired")
	}
	return said.Principal, nil
}

func (t tokens) sign(text []byte) []byte {
	signature := hmac.New(sha256.New, t.key[:])
	signature.Write(text)
	return signature.Sum(nil)
}

func encoded(text []byte) string { return base64.RawURLEncoding.EncodeToString(text) }
