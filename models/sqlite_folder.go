package models

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// NotWritableError says that the user of this process cannot write a SQLite file, or the folder that SQLite and the
// server keep more files in, beside it.
type NotWritableError struct {
	Path   string // absolute, if possible
	Folder bool
	Mode   fs.FileMode
	Err    error // the system's
}

// Cause says what cannot be written, by whom, and why.
func (e *NotWritableError) Cause() string {
	what := "the file"
	if e.Folder {
		what = "the folder"
	}
	return fmt.Sprintf("%s %s (%s) cannot be written by user id %d: %v", what, e.Path, e.Mode, os.Getuid(), e.Err)
}

// Hint says what to do.
func (e *NotWritableError) Hint() string {
	if e.Folder {
		return "SQLite keeps several files there: let the server's user own the folder, or choose another file: sqlite:///FOLDER/FILE"
	}
	return "let the server's user own this file and the ones beside it"
}

func (e *NotWritableError) Error() string { return e.Cause() + ". Hint: " + e.Hint() }

func (e *NotWritableError) Unwrap() error { return e.Err }

// CheckSQLiteFolder returns *NotWritableError if no file can be made beside a SQLite file. It tries: rights are not all
// that decides.
func CheckSQLiteFolder(file string) error {
	folder := filepath.Dir(file)
	f, err := os.CreateTemp(folder, ".fieldgate-*")
	if err != nil {
		return notWritable(folder, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// notWritable names what is the cause of err, if it is about rights: the file, or if that is not there, its folder.
func notWritable(path string, err error) error {
	if !errors.Is(err, fs.ErrPermission) && !errors.Is(err, syscall.EROFS) {
		return err
	}
	info, statErr := os.Stat(path)
	if errors.Is(statErr, fs.ErrNotExist) {
		path = filepath.Dir(path)
		info, statErr = os.Stat(path)
	}
	if statErr != nil {
		return err
	}
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		err = p.Err
	}
	if absolute, absErr := filepath.Abs(path); absErr == nil {
		path = absolute
	}
	return &NotWritableError{Path: path, Folder: info.IsDir(), Mode: info.Mode(), Err: err}
}
