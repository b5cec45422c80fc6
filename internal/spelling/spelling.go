// Package spelling suggests the known word closest to a misspelled one.
package spelling

// Distance returns the optimal string alignment distance of a and b: the number of letters to
// insert, delete, replace or swap with their neighbor.
func Distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	var beforeLast, last []int
	row := make([]int, len(y)+1)
	for j := range row {
		row[j] = j
	}
	for i := range x {
		beforeLast, last, row = last, row, make([]int, len(y)+1)
		row[0] = i + 1
		for j := range y {
			replaced := last[j]
			if x[i] != y[j] {
				replaced++
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, replaced)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				row[j+1] = min(row[j+1], beforeLast[j-1]+1)
			}
		}
	}
	return row[len(y)]
}

// Closest returns the known word with the smallest distance to word, and the first of several. It
// returns "" if none is near: at most one letter in three may differ, and at most three letters.
func Closest(word string, known []string) (closest string) {
	nearest := min(len([]rune(word))/3, 3) + 1
	for _, k := range known {
		if d := Distance(word, k); d < nearest {
			closest, nearest = k, d
		}
	}
	return closest
}
