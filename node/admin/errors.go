package admin

import (
	"errors"
	"fmt"
	"strings"
)

// Kind is what an error means for the one who asked.
type Kind string

// The kinds. An error of neither is a Cannot.
const (
	// No: the question was understood and the answer is no.
	No Kind = "no"
	// Cannot: it could not be done or found out.
	Cannot Kind = "cannot"
)

// Error is an error of one line with its kind.
type Error struct {
	Kind Kind
	Text string
}

func (e *Error) Error() string { return e.Text }

// Nof makes an error of the kind No.
func Nof(format string, args ...any) error {
	return &Error{No, oneLine(fmt.Sprintf(format, args...))}
}

// Cannotf makes an error of the kind Cannot.
func Cannotf(format string, args ...any) error {
	return &Error{Cannot, oneLine(fmt.Sprintf(format, args...))}
}

// KindOf returns the kind of an error, Cannot for one that has none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) && e.Kind == No {
		return No
	}
	return Cannot
}

// oneLine joins the lines of a text that others wrote.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
