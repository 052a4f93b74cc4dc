// Package market holds the words of the domain: posts ([Tweet]), trades ([Price]), what a model read in a post
// ([Sentiment]), coins ([Asset]), and how the text of a post maps to coins ([Matcher]).
//
// It imports nothing of RCAS; every other package speaks in its types.
package market
