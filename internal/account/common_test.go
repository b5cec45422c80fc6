package account

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestCommonPasswords(t *testing.T) {
	t.Parallel()
	for _, password := range []string{
		"password", "password1", "Password1", "PASSWORD1", "password123", "Password123!", "P@ssw0rd", "p@$$w0rd", "passw0rd1", "drowssap",
		"12345678", "123456789", "1234567890", "87654321", "11111111", "00000000", "123123123", "aaaaaaaa", "abcdefgh", "abcd1234",
		"qwertyuiop", "qwerty123", "asdfghjkl", "1q2w3e4r", "1qaz2wsx", "zxcvbnm1", "iloveyou", "iloveyou1", "letmein1", "welcome1",
		"admin123", "changeme", "trustno1", "football1", "sunshine", "princess", "superman", "basketball", "hunter2hunter2", "19901231",
		"        ", "passwordpassword",
	} {
		if !common(password) {
			t.Errorf("%q is as common as they come", password)
		}
	}
	for _, password := range []string{
		"correct horse battery", "correct horse battery staple", "correcthorsebatterystaple", "another good password", "wrong password",
		"quiet river under moss", "kq7vx2pmtz", "Zo\u00eb's passphrase", "mein Hund hei\u00dft Bello", "пароль из слов", "一个很长的密码短语",
		strings.Repeat("\U0001f511", 64), strings.Repeat("q", 25), "!@$%+(<{[|!@$%+(<{[|",
	} {
		if common(password) {
			t.Errorf("%q is not common", password)
		}
	}
}

// What takes longest to judge takes nothing in comparison with a hash.
func TestCommonIsCheap(t *testing.T) {
	t.Parallel()
	const trials, bound = 200, 500 * time.Millisecond // a loaded machine's; it is 1 ms as a rule, and 20 at worst
	letters := []rune("abegilostxz0123456789" + substitutes)
	for range trials {
		password := make([]rune, maxCommonLength)
		for i := range password {
			password[i] = letters[rand.IntN(len(letters))]
		}
		begin := time.Now()
		common(string(password))
		if took := time.Since(begin); took > bound {
			t.Errorf("%q took %v", string(password), took)
		}
	}
	begin := time.Now()
	if common(strings.Repeat("a1!", maxPasswordBytes/3)) || time.Since(begin) > bound {
		t.Errorf("1,024 bytes took %v", time.Since(begin))
	}
}

// The estimate is somebody else's code, and reads what anybody may send.
func FuzzCommon(f *testing.F) {
	for _, seed := range []string{"", "password1", "p@ssw0rd", "\u212a\u0130\u017f", "\U0001f511\U0001f511", "e\u0301", "1/1/1990", "aaaa", "\u200d\u200d", "19901231a!"} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, password string) {
		if checkPassword(password, 1) == "" {
			common(password)
		}
	})
}
