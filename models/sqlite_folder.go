package models

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// NotWritableError reports that the process cannot write a SQLite file, or the folder in which
// SQLite and the server create more files.
type NotWritableError struct {
	Path   string // absolute if possible
	Folder bool
	Mode   fs.FileMode
	Err    error // of the operating system
}

// Cause says which file or directory cannot be written, by which user, and why.
func (e *NotWritableError) Cause() string {
	what := "the file"
	if e.Folder {
		what = "the directory"
	}
	return fmt.Sprintf("%s %s (%s) cannot be written by user id %d: %v", what, e.Path, e.Mode, os.Getuid(), e.Err)
}

// Hint says how to fix it.
func (e *NotWritableError) Hint() string {
	if e.Folder {
		return "SQLite creates several files in this directory. Make the server's user its owner, or choose another file: sqlite:///DIRECTORY/FILE"
	}
	return "make the server's user the owner of this file and of the files beside it"
}

func (e *NotWritableError) Error() string { return e.Cause() + ". Hint: " + e.Hint() }

func (e *NotWritableError) Unwrap() error { return e.Err }

// CheckSQLiteFolder returns *NotWritableError if no file can be created beside a SQLite file. It
// creates one, because permissions are not the only cause.
func CheckSQLiteFolder(file string) error {
	folder := filepath.Dir(file)
	f, err := os.CreateTemp(folder, ".fieldgate-*")
	if err != nil {
		return notWritable(folder, err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// notWritable wraps permission errors in a NotWritableError for the file, or for its folder if the
// file does not exist.
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
