package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
)

// bar is one bar of the chart. Its label has the figure, so that no information depends on color
// alone.
type bar struct {
	name  string
	value float64
	text  string
	ours  bool
}

const (
	barHeight    = 22
	barSpacing   = 30
	barLeft      = 210
	barAreaWidth = 390
	chartWidth   = 760
)

// chart returns an SVG chart of the requests per second and of the latency in a login storm. It has
// its own background and the color-blind-safe palette of Okabe and Ito, for light and dark pages.
func (r *results) chart() []byte {
	var b bytes.Buffer
	var requests, storms []bar
	for i, row := range r.Me {
		requests = append(requests, bar{row.Name, row.PerSecond(), formatNumber(row.PerSecond()) + " requests per second", i == 0})
	}
	for i, row := range r.Storms {
		storms = append(storms, bar{row.Name, row.P99Ratio(), formatNumber(row.P99Ratio()) + " times p99 without load", i == 0})
	}
	high := 120 + barSpacing*(len(requests)+len(storms))
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%[2]d" role="img" aria-labelledby="title">
<title id="title">Fieldgate, a hand-written handler, Apollo Server and Mercurius: requests per second, and p99 in a login storm</title>
<style>
  text { font: 14px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328 }
  .head { font-weight: 600; font-size: 15px }
  .ground { fill: #ffffff; stroke: #d1d9e0 }
  .ours { fill: #0072b2 }
  .theirs { fill: #e69f00 }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .ground { fill: #0d1117; stroke: #3d444d }
    .ours { fill: #56b4e9 }
  }
</style>
<rect class="ground" x="0.5" y="0.5" width="%d" height="%d" rx="6"/>
`, chartWidth, high, chartWidth-1, high-1)
	y := panel(&b, 34, "me: more is better", requests)
	panel(&b, y+36, "me in a login storm: less is better", storms)
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// panel draws bars below a heading and returns the y coordinate of their end.
func panel(b *bytes.Buffer, y int, head string, bars []bar) int {
	longest := 0.0
	for _, bar := range bars {
		longest = max(longest, bar.value)
	}
	fmt.Fprintf(b, "<text class=\"head\" x=\"20\" y=\"%d\">%s</text>\n", y, escapeXML(head))
	y += 14
	for _, bar := range bars {
		class := "theirs"
		if bar.ours {
			class = "ours"
		}
		width := max(2, int(bar.value/longest*(barAreaWidth-40)))
		fmt.Fprintf(b, "<text x=\"20\" y=\"%d\">%s</text>\n", y+16, escapeXML(bar.name))
		fmt.Fprintf(b, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"2\"/>\n", class, barLeft, y, width, barHeight)
		fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\">%s</text>\n", barLeft+width+8, y+16, escapeXML(bar.text))
		y += barSpacing
	}
	return y
}

func escapeXML(text string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(text)) // a buffer never fails
	return b.String()
}
