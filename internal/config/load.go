package config

import (
	"errors"
	"strings"
)

// Load reads every variable through lookup, which is os.LookupEnv or what DotEnv makes of it.
//
// It does not stop at the first wrong value: the error joins one *Error for each wrong variable.
func Load(lookup func(name string) (string, bool)) (*Config, error) {
	r := reading{config: &Config{}, set: map[string]string{}, refused: map[string]bool{}}
	for _, v := range variables {
		value, _ := lookup(v.name)
		r.read(v, value)
	}
	r.alignLifetimes()
	if len(r.errs) > 0 {
		return nil, errors.Join(r.errs...)
	}
	return r.config, nil
}

// reading is one run over the variables.
type reading struct {
	config  *Config
	set     map[string]string // what may be shown of each variable that is set
	refused map[string]bool
	errs    []error
}

func (r *reading) read(v variable, value string) {
	if !v.secret {
		value = strings.TrimSpace(value)
	}
	if value != "" {
		r.set[v.name] = v.shown(value)
	} else if r.config.Production && v.inProduction != nil && r.set[v.instead] == "" {
		r.refuse(v.name, v.inProduction)
		return
	} else {
		value = v.fallback(r.config)
	}
	if value != "" {
		r.refuse(v.name, v.parse(r.config, value))
	}
	if v.name == "DATABASE_URL" {
		_, r.config.DatabaseExplicit = r.set[v.name]
	}
}

// refuse records what is wrong with a variable; nil is nothing. A variable is reported once, with its first fault.
func (r *reading) refuse(name string, why *refusal) {
	if why == nil || r.refused[name] {
		return
	}
	r.refused[name] = true
	r.errs = append(r.errs, &Error{Variable: name, Value: r.set[name], Expected: why.expected, Hint: why.hint})
}
