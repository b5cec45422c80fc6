package main

import (
	"cmp"
	"slices"
	"time"
)

// median returns the median of numbers; for an even count, the upper of the two in the middle.
func median[T cmp.Ordered](list []T) T { return quantile(list, 0.5) }

// mean returns the arithmetic mean of numbers.
func mean(list []float64) (m float64) {
	for _, f := range list {
		m += f / float64(len(list))
	}
	return m
}

func quantile[T cmp.Ordered](list []T, q float64) T {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[min(len(sorted)-1, int(float64(len(sorted))*q))]
}

// sample is the measurement of one server in one round.
type sample struct {
	perSecond float64
	p50, p99  time.Duration
	processor time.Duration // CPU time of the server per request
	database  time.Duration // CPU time of the database per request; 0 if unknown
}

// series holds the rounds of one server.
type series []sample

func (s series) medianOf(what func(sample) float64) float64 {
	list := make([]float64, len(s))
	for i := range s {
		list[i] = what(s[i])
	}
	return median(list)
}

// ratio returns the median of the ratios in each round, because other load in a round affects both
// servers.
func (s series) ratio(other series, what func(sample) float64) float64 {
	list := make([]float64, len(s))
	for i := range s {
		list[i] = what(s[i]) / what(other[i])
	}
	return median(list)
}

// The values of a series that the page shows: medians, in requests per second and seconds.
func (s series) PerSecond() float64 { return s.medianOf(perSecond) }
func (s series) P50() float64       { return s.medianOf(p50) }
func (s series) P99() float64       { return s.medianOf(p99) }
func (s series) Processor() float64 { return s.medianOf(processor) }
func (s series) Database() float64  { return s.medianOf(database) }

func perSecond(s sample) float64 { return s.perSecond }
func p50(s sample) float64       { return s.p50.Seconds() }
func p99(s sample) float64       { return s.p99.Seconds() }
func processor(s sample) float64 { return s.processor.Seconds() }
func database(s sample) float64  { return s.database.Seconds() }
