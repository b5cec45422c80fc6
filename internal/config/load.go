package config

import (
	"errors"
	"strings"
)

// Load reads every variable through lookup: os.LookupEnv, or the Lookup of a Source.
//
// It does not stop at the first invalid value: the error joins one *Error for each invalid
// variable.
func Load(lookup func(name string) (string, bool)) (*Config, error) {
	r := loader{config: &Config{}, set: map[string]string{}, failed: map[string]bool{}}
	for _, v := range variables {
		value, _ := lookup(v.name)
		r.readVariable(v, value)
	}
	r.alignLifetimes()
	if len(r.errs) > 0 {
		return nil, errors.Join(r.errs...)
	}
	return r.config, nil
}

// loader is the state of one run over the variables.
type loader struct {
	config *Config
	set    map[string]string // the printable value of each variable that is set
	failed map[string]bool
	errs   []error
}

func (r *loader) readVariable(v variable, value string) {
	if !v.secret {
		value = strings.TrimSpace(value)
	}
	if value != "" {
		r.set[v.name] = v.redacted(value)
	} else if r.config.Production && v.productionError != nil && r.set[v.alternative] == "" {
		r.addError(v.name, v.productionError)
		return
	} else {
		value = v.defaultFor(r.config)
	}
	if value != "" {
		r.addError(v.name, v.parse(r.config, value))
	}
	if v.name == "DATABASE_URL" {
		_, r.config.DatabaseExplicit = r.set[v.name]
	}
}

// addError records why a variable is invalid; nil is ignored. A variable is reported once, with its
// first error.
func (r *loader) addError(name string, invalid *valueError) {
	if invalid == nil || r.failed[name] {
		return
	}
	r.failed[name] = true
	r.errs = append(r.errs, &Error{Variable: name, Value: r.set[name], Expected: invalid.expected, Hint: invalid.hint})
}
