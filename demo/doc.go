// Package demo makes the archive that `rcas demo` replays: real minute prices of bitcoin and ether from 27 to 31 December 2017 (figures,
// embedded), and invented posts about them from a seeded generator, in which mood leads price by a known time and two divergences
// are planted. What RCAS finds in it can be held against what was put in.
package demo
