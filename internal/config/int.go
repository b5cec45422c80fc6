package config

import (
	"fmt"
	"strconv"
)

// integer returns a parser for a whole number from low to high.
func integer(field func(*Config) *int, low, high int, hint string) parser {
	return func(c *Config, value string) *valueError {
		n, err := strconv.Atoi(value)
		if err != nil || n < low || n > high {
			return &valueError{fmt.Sprintf("a whole number from %d to %d", low, high), hint}
		}
		*field(c) = n
		return nil
	}
}
