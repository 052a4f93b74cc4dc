// Package bench makes up data of any size, and measures RCAS on it.
package bench
