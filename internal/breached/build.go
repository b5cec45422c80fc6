package breached

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
)

const (
	// streamThreshold is how many keys Build buffers before it treats its input as sorted and
	// starts to write.
	streamThreshold = 1 << 16
	// maxUnordered is how many keys Build sorts in memory, which takes 512 MB.
	maxUnordered = 64 << 20
)

// Counts reports what Build read and wrote.
type Counts struct {
	Read int64 // lines with a password
	Kept int64 // keys written
}

// Build reads lines of the form SHA1:COUNT, the download format of haveibeenpwned.com. It writes
// the file of a Set with the passwords that were seen at least minCount times.
//
// It writes sorted lines as they come, in little memory. It sorts other input in memory, which
// limits that to 64 million lines. Errors give the number of the invalid line.
func Build(w io.Writer, r io.Reader, minCount uint64) (Counts, error) {
	b := &builder{out: bufio.NewWriterSize(w, 1<<16)}
	err := b.readLines(bufio.NewReaderSize(r, 1<<16), minCount)
	if err == nil {
		err = b.finish()
	}
	if err == nil && b.counts.Kept == 0 {
		err = fmt.Errorf("none of %d passwords was seen %d times", b.counts.Read, minCount)
	}
	return b.counts, err
}

type builder struct {
	out       *bufio.Writer
	counts    Counts
	pending   []uint64 // not written yet
	unordered bool     // pending must be sorted
	streaming bool     // keys are written as they come
	last      uint64   // the last key read or written
}

func (b *builder) readLines(r *bufio.Reader, minCount uint64) error {
	for number := int64(1); ; number++ {
		line, err := r.ReadSlice('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			if errors.Is(err, bufio.ErrBufferFull) {
				err = errInvalidLine
			}
			return fmt.Errorf("line %d: %w", number, err)
		}
		if number == 1 {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		key, count, err := parseLine(line)
		if err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
		b.counts.Read++
		if count < minCount {
			continue
		}
		if err := b.add(key); err != nil {
			return fmt.Errorf("line %d: %w", number, err)
		}
	}
}

const hexSHA1 = 40 // digits

// sortHint is the command that sorts a list for Build.
const sortHint = "LC_ALL=C sort hibp.txt | fieldgate passwords build …"

var (
	errInvalidLine = errors.New("expected SHA1:COUNT with 40 hexadecimal digits. " +
		"Hint: use the list of SHA-1 hashes from haveibeenpwned.com, in one file")
	errNTLMList = errors.New("expected 40 hexadecimal digits, got 32 as in the NTLM list. " +
		"Hint: download the list of SHA-1 hashes instead")
)

func parseLine(line []byte) (key, count uint64, err error) {
	hash, times, ok := bytes.Cut(line, []byte(":"))
	var sum [hexSHA1 / 2]byte
	switch {
	case len(hash) == 32 && ok:
		return 0, 0, errNTLMList
	case len(hash) != hexSHA1 || !ok:
		return 0, 0, errInvalidLine
	}
	if _, err := hex.Decode(sum[:], hash); err != nil {
		return 0, 0, errInvalidLine
	}
	count, err = strconv.ParseUint(string(times), 10, 64)
	if err != nil {
		return 0, 0, errInvalidLine
	}
	return binary.BigEndian.Uint64(sum[:]), count, nil
}

func (b *builder) add(key uint64) error {
	switch inOrder := key >= b.last; {
	case b.streaming && !inOrder:
		return errors.New("the hash is lower than the one before, and the lines before it were sorted. Hint: " + sortHint)
	case b.streaming:
		return b.write(key)
	case !inOrder:
		b.unordered = true
	}
	b.last = key
	b.pending = append(b.pending, key)
	switch {
	case b.unordered && len(b.pending) > maxUnordered:
		return fmt.Errorf("more than %d hashes in unsorted input. Hint: %s", maxUnordered, sortHint)
	case !b.unordered && len(b.pending) >= streamThreshold:
		b.streaming = true
		return b.writePending()
	}
	return nil
}

func (b *builder) writePending() error {
	b.last = 0
	for _, key := range b.pending {
		if err := b.write(key); err != nil {
			return err
		}
	}
	b.pending = nil
	return nil
}

// write writes a key unless it equals the last one: two passwords may share a key.
func (b *builder) write(key uint64) error {
	if b.counts.Kept > 0 && key == b.last {
		return nil
	}
	b.last = key
	b.counts.Kept++
	_, err := b.out.Write(binary.BigEndian.AppendUint64(nil, key))
	return err
}

func (b *builder) finish() error {
	if b.unordered {
		slices.Sort(b.pending)
	}
	if err := b.writePending(); err != nil {
		return err
	}
	return b.out.Flush()
}
