package main

import (
	"fmt"

	"rcas/market"
)

// detectLanguage names the language of posts that name none, or one that they plainly are not in.
var detectLanguage = market.NewLanguageDetector().Language

// inventedTexts are as long as tweets are, for timing a model where no file is at hand.
func inventedTexts() []string {
	openings := []string{"I really like how", "So disappointed that", "Does anybody know why", "Breaking:", "RT @someone: honestly", "lol"}
	subjects := []string{"$BTC", "#ethereum", "the market", "my $SOL bag", "bitcoin", "this exchange"}
	endings := []string{"is up +4.5% today 🚀 https://example.org/a1b2", "keeps falling, can't take it anymore :(", "moved 1,250 coins at 9:30",
		"will never recover from that hack!!", "looks soooo good right now, not selling", "gets listed on Monday, what do you think?"}
	var texts []string
	for i, opening := range openings {
		for _, subject := range subjects {
			for _, ending := range endings {
				texts = append(texts, fmt.Sprintf("%s %s %s (%d)", opening, subject, ending, i))
			}
		}
	}
	return texts
}
