// Package endurance tests the program under conditions that last: a full disk, a distant database, many requests.
package endurance
