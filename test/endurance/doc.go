// Package endurance tests the program under lasting conditions: a full disk, a distant database,
// many requests.
package endurance
