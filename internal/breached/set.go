// Package breached is a file-based set of passwords known from data breaches.
//
// The file contains the first 8 bytes of each password's SHA-1 in ascending order, and nothing
// else. [Build] creates it from the list of haveibeenpwned.com. A lookup reads two or three blocks
// of 4 KiB and keeps nothing in memory. With 20 million passwords the false positive rate is
// 10^-12.
package breached

import (
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"
	"os"
	"slices"
)

const (
	keySize   = 8
	blockKeys = 512 // 4 KiB, a page of the operating system's cache
)

// Set is a set of passwords. It is safe for concurrent use.
//
// It reads the file instead of mapping it: both use the same page cache, but truncating a file
// under a running server fails one lookup, while a mapping would end the process (SIGBUS). Reading
// also works the same on every system.
type Set struct {
	file   io.ReaderAt
	keys   int64
	closer io.Closer
}

// Open opens a file written by Build. It checks the size and a sample of the content, and rejects
// text files, unsorted and truncated files. If another file replaces it, the next Open reads that.
func Open(name string) (*Set, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", name)
	}
	var s *Set
	if err == nil {
		s, err = New(f, info.Size())
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	s.closer = f
	return s, nil
}

// New returns the set in size bytes of file.
func New(file io.ReaderAt, size int64) (*Set, error) {
	switch {
	case size == 0:
		return nil, errors.New("the file is empty")
	case size%keySize != 0:
		return nil, fmt.Errorf("the file has %d bytes, not a multiple of %d: it is truncated or in another format", size, keySize)
	}
	s := &Set{file: file, keys: size / keySize}
	if err := s.check(); err != nil {
		return nil, err
	}
	return s, nil
}

// Close closes the file.
func (s *Set) Close() error {
	if s.closer == nil {
		return nil
	}
	return s.closer.Close()
}

// Len returns the number of passwords in the set.
func (s *Set) Len() int64 { return s.keys }

// Contains reports whether a password is in the set.
func (s *Set) Contains(password string) (bool, error) { return s.find(keyOf(password)) }

func keyOf(password string) uint64 {
	sum := sha1.Sum([]byte(password))
	return binary.BigEndian.Uint64(sum[:keySize])
}

// maxSamples is how many blocks check reads at most.
const maxSamples = 256

// check reads blocks from all over the file. SHA-1 values are spread evenly, so the first key must
// be near the lowest possible value and the last near the highest.
func (s *Set) check() error {
	previous, step := uint64(0), max(blockKeys, s.keys/maxSamples)
	var first uint64
	for at := int64(0); at < s.keys; at += step {
		block, err := s.read(at)
		if err != nil {
			return err
		}
		if at == 0 {
			first = block[0]
		}
		for i, key := range block {
			if key <= previous && (at > 0 || i > 0) {
				return fmt.Errorf("the file is not sorted at byte %d: create it with fieldgate passwords build", (at+int64(i))*keySize)
			}
			previous = key
		}
	}
	tail, err := s.read(max(0, s.keys-blockKeys))
	if err != nil {
		return err
	}
	last := tail[len(tail)-1]
	// The average distance between n keys is 2^64/n; 64 times that happens once in e^64 files.
	if far := math.MaxUint64 / uint64(s.keys); s.keys > 64 && (first > 64*far || math.MaxUint64-last > 64*far) {
		return errors.New("the file holds only part of the passwords: it is truncated or in another format")
	}
	return nil
}

// maxInterpolations is how many reads find places by interpolation before it bisects.
const maxInterpolations = 8

// find reads where the key would be if keys were spread evenly between both ends, and narrows the
// range block by block. It bisects after maxInterpolations reads, which bounds the number of reads
// for any content.
func (s *Set) find(key uint64) (bool, error) {
	low, high := int64(0), s.keys // the range that may hold the key
	lowKey, highKey := uint64(0), uint64(math.MaxUint64)
	for n := 0; low < high; n++ {
		at := low + (high-low)/2
		if n < maxInterpolations {
			at = low + interpolate(key-lowKey, highKey-lowKey, high-low)
		}
		at = max(low, min(at-blockKeys/2, high-blockKeys))
		block, err := s.read(at)
		if err != nil {
			return false, err
		}
		switch last := block[len(block)-1]; {
		case key < block[0]:
			high, highKey = at, block[0]
		case key > last:
			low, lowKey = at+int64(len(block)), last
		default:
			_, found := slices.BinarySearch(block, key)
			return found, nil
		}
	}
	return false, nil
}

// interpolate returns part/whole of n, rounded down and less than n.
func interpolate(part, whole uint64, n int64) int64 {
	if part >= whole {
		return n - 1
	}
	hi, lo := bits.Mul64(part, uint64(n))
	at, _ := bits.Div64(hi, lo, whole)
	return min(int64(at), n-1)
}

// read returns at most one block of keys, starting with key at.
func (s *Set) read(at int64) ([]uint64, error) {
	raw := make([]byte, keySize*min(blockKeys, s.keys-at))
	if n, err := s.file.ReadAt(raw, at*keySize); n < len(raw) {
		return nil, fmt.Errorf("read breached passwords: %w", err)
	}
	keys := make([]uint64, len(raw)/keySize)
	for i := range keys {
		keys[i] = binary.BigEndian.Uint64(raw[i*keySize:])
	}
	return keys, nil
}
