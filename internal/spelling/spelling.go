// Package spelling finds the word that was probably meant.
package spelling

// Distance returns how many letters must be inserted, deleted, replaced or swapped with their neighbor to make a
// of b: the optimal string alignment distance.
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

// Closest returns the known word that is nearest to a word, of several the first, or "" if none is near: at most one
// letter in three may differ, and at most three.
func Closest(word string, known []string) (closest string) {
	nearest := min(len([]rune(word))/3, 3) + 1
	for _, k := range known {
		if d := Distance(word, k); d < nearest {
			closest, nearest = k, d
		}
	}
	return closest
}
