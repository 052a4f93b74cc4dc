package market

import "math"

// Kind is who speaks in a post.
type Kind string

// The kinds.
const (
	// Person is somebody with something of their own to say.
	Person Kind = "person"
	// Advert promotes: giveaways, referrals, airdrops, paid signals, shilling.
	Advert Kind = "advert"
	// Bot reports by itself: prices, trades, large transfers.
	Bot Kind = "bot"
	// News is a headline, mostly with a link, without an opinion.
	News Kind = "news"
)

// Kinds lists them in the order in which people are told of them.
var Kinds = []Kind{Person, Advert, Bot, News}

// Sentiment is what one model read in one post about one coin.
type Sentiment struct {
	Tweet  *Tweet
	Symbol string
	Model  string
	// Negative, Neutral, Positive are probabilities that sum to one; meaningless where Skipped is set.
	Negative, Neutral, Positive float32
	// Skipped says why the model could not judge the post ("language", "no text"); empty where it could.
	Skipped string
	// Kind is who speaks; empty where no model has told.
	Kind Kind
}

// Score is the post's mood in [-1, 1].
func (s *Sentiment) Score() float64 { return float64(s.Positive) - float64(s.Negative) }

// Weight is how much a post counts in the weighted mood: 1 + ln(1+followers)/4 + ln(1+engagement)/2, where engagement is
// likes, reposts, quotes and replies together. Logarithms damp it, so that one account cannot be the market: a million
// followers and ten thousand likes weigh about nine nobodies.
func (t *Tweet) Weight() float64 {
	engagement := float64(t.FavoriteCount) + float64(t.RetweetCount) + float64(t.QuoteCount) + float64(t.ReplyCount)
	return 1 + math.Log1p(float64(t.Followers))/4 + math.Log1p(engagement)/2
}

// Reach is the undamped factor of the seed's influence formula: followers × (likes+1) × (retweets+1). An author counts as one follower at
// least: Bluesky and Reddit do not tell how many there are, and their loudest posts are still louder than others.
func (t *Tweet) Reach() float64 {
	return float64(max(t.Followers, 1)) * float64(t.FavoriteCount+1) * float64(t.RetweetCount+1)
}
