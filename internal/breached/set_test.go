package breached

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// hibpLines returns lines as haveibeenpwned.com publishes them: sorted by hash, each seen count
// times.
func hibpLines(count int, passwords ...string) []string {
	list := make([]string, len(passwords))
	for i, p := range passwords {
		sum := sha1.Sum([]byte(p))
		list[i] = fmt.Sprintf("%s:%d", strings.ToUpper(hex.EncodeToString(sum[:])), count)
	}
	slices.Sort(list)
	return list
}

func passwords(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("password %d", i)
	}
	return list
}

func buildSet(t *testing.T, input string) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := Build(&out, strings.NewReader(input), 1); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestSetContainsBuiltPasswords(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 511, 512, 513, 1024, 5000, 60_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			content := buildSet(t, strings.Join(hibpLines(7, passwords(n)...), "\n"))
			reads := &countingReader{ReaderAt: bytes.NewReader(content)}
			s, err := New(reads, int64(len(content)))
			if err != nil {
				t.Fatal(err)
			}
			if s.Len() != int64(n) {
				t.Errorf("%d passwords, want %d", s.Len(), n)
			}
			for i := range min(n, 1000) {
				for password, want := range map[string]bool{fmt.Sprintf("password %d", n-1-i): true, fmt.Sprintf("password %d", n+i): false} {
					reads.n = 0
					if got, err := s.Contains(password); got != want || err != nil {
						t.Fatalf("%s: %v, %v, want %v", password, got, err, want)
					}
					if reads.n > 4 {
						t.Errorf("%s took %d reads, want at most 4", password, reads.n)
					}
				}
			}
		})
	}
}

type countingReader struct {
	io.ReaderAt
	n int
}

func (c *countingReader) ReadAt(p []byte, at int64) (int, error) {
	c.n++
	return c.ReaderAt.ReadAt(p, at)
}

// Lookups take a bounded number of reads even if the keys are not spread evenly.
func TestSetFindsUnevenlySpreadKeys(t *testing.T) {
	t.Parallel()
	const n = 20_000
	r := rand.New(rand.NewPCG(1, 2))
	var keys []uint64
	for range n / 2 {
		keys = append(keys, r.Uint64()>>r.IntN(60), ^uint64(0)-r.Uint64()>>r.IntN(60))
	}
	keys = append(keys, 0, ^uint64(0))
	slices.Sort(keys)
	keys = slices.Compact(keys)
	var content []byte
	for _, k := range keys {
		content = binary.BigEndian.AppendUint64(content, k)
	}
	reads := &countingReader{ReaderAt: bytes.NewReader(content)}
	s, err := New(reads, int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range keys {
		reads.n = 0
		if found, err := s.find(k); !found || err != nil || reads.n > maxInterpolations+10 {
			t.Fatalf("%x: %v %v, %d reads", k, found, err, reads.n)
		}
		if i > 0 && keys[i-1] < k-1 {
			if found, err := s.find(k - 1); found || err != nil {
				t.Fatalf("%x: %v %v", k-1, found, err)
			}
		}
	}
}

func TestBuild(t *testing.T) {
	t.Parallel()
	three := hibpLines(10, "one", "two", "three")
	want := buildSet(t, strings.Join(three, "\n")+"\n")
	shuffled := hibpLines(10, passwords(70_000)...)
	inOrder := buildSet(t, strings.Join(shuffled, "\n"))
	rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	for _, row := range []struct {
		name, input string
		minCount    uint64
		want        []byte
		counts      Counts
	}{
		{"lines in order", strings.Join(three, "\n") + "\n", 1, want, Counts{3, 3}},
		{"no final line break", strings.Join(three, "\n"), 1, want, Counts{3, 3}},
		{"Windows line breaks", strings.Join(three, "\r\n") + "\r\n", 1, want, Counts{3, 3}},
		{"lower case", strings.ToLower(strings.Join(three, "\n")), 1, want, Counts{3, 3}},
		{"a byte order mark", "\ufeff" + strings.Join(three, "\n"), 1, want, Counts{3, 3}},
		{"empty lines", "\n" + strings.Join(three, "\n\n") + "\n\n", 1, want, Counts{3, 3}},
		{"unsorted lines", three[2] + "\n" + three[0] + "\n" + three[1], 1, want, Counts{3, 3}},
		{"a duplicate line", three[0] + "\n" + three[0] + "\n" + three[1] + "\n" + three[2], 1, want, Counts{4, 3}},
		{"seen often enough", strings.Join(three, "\n"), 10, want, Counts{3, 3}},
		{"some seen too seldom", strings.Join(three, "\n") + "\n" + strings.Join(hibpLines(9, "four"), ""), 10, want, Counts{4, 3}},
		{"many unsorted lines", strings.Join(shuffled, "\n"), 1, inOrder, Counts{70_000, 70_000}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			counts, err := Build(&out, strings.NewReader(row.input), row.minCount)
			if err != nil || counts != row.counts || !bytes.Equal(out.Bytes(), row.want) {
				t.Errorf("%+v, %v, %d bytes, want %+v and %d bytes", counts, err, out.Len(), row.counts, len(row.want))
			}
		})
	}
}

func TestBuildRejectsInvalidInput(t *testing.T) {
	t.Parallel()
	good := hibpLines(10, passwords(streamThreshold+1000)...)
	sorted := slices.Clone(good)
	sorted[len(sorted)-1] = good[0]
	for _, row := range []struct{ name, input, want string }{
		{"empty input", "", "none of 0 passwords"},
		{"no password seen often enough", hibpLines(9, "one")[0], "none of 1 passwords was seen 10 times"},
		{"a hash without its count", good[0] + "\n" + good[1][:40], "line 2: expected SHA1:COUNT"},
		{"an invalid count", good[0] + "\n" + good[1] + "x", "line 2: expected SHA1:COUNT"},
		{"a negative count", good[0][:41] + "-1", "line 1: expected SHA1:COUNT"},
		{"the list of NTLM hashes", good[0][:32] + ":5", "line 1: expected 40 hexadecimal digits, got 32 as in the NTLM list"},
		{"a file of the range API", good[0][5:], "line 1: expected SHA1:COUNT"},
		{"an invalid digit", good[0] + "\nG" + good[1][1:], "line 2: expected SHA1:COUNT"},
		{"a list of passwords", "123456\npassword\n", "line 1: expected SHA1:COUNT"},
		{"a binary file", strings.Repeat("\x00\x01\xfe", 100_000), "line 1: expected SHA1:COUNT"},
		{"an unsorted line late in a long list", strings.Join(sorted, "\n"), fmt.Sprintf("line %d: the hash is lower than the one before", len(sorted))},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			_, err := Build(io.Discard, strings.NewReader(row.input), 10)
			if err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %v, want %s", err, row.want)
			}
		})
	}
	failed := errors.New("the disk is full")
	if _, err := Build(fullDisk{failed}, strings.NewReader(strings.Join(good, "\n")), 1); !errors.Is(err, failed) {
		t.Errorf("error %v, want %v", err, failed)
	}
}

type fullDisk struct{ err error }

func (f fullDisk) Write([]byte) (int, error) { return 0, f.err }

func TestOpenRejectsInvalidFiles(t *testing.T) {
	t.Parallel()
	text := strings.Join(hibpLines(10, passwords(2000)...), "\n")
	good := buildSet(t, text)
	swapped := slices.Clone(good)
	copy(swapped, good[8:16])
	copy(swapped[8:], good[:8])
	for _, row := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"an empty file", nil, "empty"},
		{"an incomplete key at the end", good[:len(good)-3], "multiple of 8"},
		{"the list itself", []byte(text[:41*8]), "not sorted"},
		{"the first half", good[:len(good)/2], "truncated"},
		{"the second half", good[len(good)/2:], "truncated"},
		{"zeros", make([]byte, 8000), "not sorted"},
		{"two swapped keys", swapped, "not sorted"},
		{"a duplicate key", append(slices.Clone(good[:8]), good...), "not sorted"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			name := filepath.Join(t.TempDir(), "breached.bin")
			if err := os.WriteFile(name, row.content, 0o600); err != nil {
				t.Fatal(err)
			}
			if s, err := Open(name); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("%v, error %v, want %s", s, err, row.want)
			}
		})
	}
	for _, name := range []string{filepath.Join(t.TempDir(), "nowhere"), t.TempDir()} {
		if _, err := Open(name); err == nil {
			t.Errorf("Open(%s) succeeded", name)
		}
	}
}

// Changes to the file of a running server make at most a lookup fail.
func TestTruncatedFileFailsOnlyLookups(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "breached.bin")
	if err := os.WriteFile(name, buildSet(t, strings.Join(hibpLines(10, passwords(5000)...), "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := os.Truncate(name, 8); err != nil {
		t.Fatal(err)
	}
	if found, err := s.Contains("password 4000"); found || err == nil {
		t.Errorf("%v, %v, want an error", found, err)
	}
}

func BenchmarkContains(b *testing.B) {
	const n = 2_000_000
	keys := make([]uint64, n)
	for i := range keys {
		keys[i] = rand.Uint64()
	}
	slices.Sort(keys)
	name := filepath.Join(b.TempDir(), "breached.bin")
	var content []byte
	for _, k := range slices.Compact(keys) {
		content = binary.BigEndian.AppendUint64(content, k)
	}
	if err := os.WriteFile(name, content, 0o600); err != nil {
		b.Fatal(err)
	}
	s, err := Open(name)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	for b.Loop() {
		if _, err := s.find(rand.Uint64()); err != nil {
			b.Fatal(err)
		}
	}
}
