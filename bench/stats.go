package main

import (
	"cmp"
	"slices"
	"time"
)

// median of numbers; of an even count, the upper one of the two in the middle.
func median[T cmp.Ordered](list []T) T { return quantile(list, 0.5) }

// mean of numbers.
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

// sample is one contestant in one round.
type sample struct {
	perSecond float64
	p50, p99  time.Duration
	processor time.Duration // meanOf the server, for each request
	database  time.Duration // meanOf the database, for each request; 0 if nobody knows
}

// series are the rounds of one contestant.
type series []sample

func (s series) medianOf(what func(sample) float64) float64 {
	list := make([]float64, len(s))
	for i := range s {
		list[i] = what(s[i])
	}
	return median(list)
}

// ratio is the median of the rounds' ratios: what disturbs a round disturbs both.
func (s series) ratio(other series, what func(sample) float64) float64 {
	list := make([]float64, len(s))
	for i := range s {
		list[i] = what(s[i]) / what(other[i])
	}
	return median(list)
}

// Name the page shows of a series.
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
