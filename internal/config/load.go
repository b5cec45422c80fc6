package config

import (
	"errors"
	"strings"
)

// Load reads every variable through lookup, which is os.LookupEnv or what DotEnv makes of it.
//
// It does not stop at the first wrong value: the error joins one *Error for each wrong variable.
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

// loader is one run over the variables.
type loader struct {
	config *Config
	set    map[string]string // what may be shown of each variable that is set
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

// addError records what is wrong with a variable; nil is nothing. A variable is reported once, with its first fault.
func (r *loader) addError(name string, why *valueError) {
	if why == nil || r.failed[name] {
		return
	}
	r.failed[name] = true
	r.errs = append(r.errs, &Error{Variable: name, Value: r.set[name], Expected: why.expected, Hint: why.hint})
}
