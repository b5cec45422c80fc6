package config

import (
	"fmt"
	"strconv"
)

// number reads a whole number from low to high.
func number(field func(*Config) *int, low, high int, hint string) parser {
	return func(c *Config, value string) *refusal {
		n, err := strconv.Atoi(value)
		if err != nil || n < low || n > high {
			return &refusal{fmt.Sprintf("a whole number from %d to %d", low, high), hint}
		}
		*field(c) = n
		return nil
	}
}
