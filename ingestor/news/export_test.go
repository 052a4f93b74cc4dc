package news

// NewAt returns a source that looks as often as a test wants.
func NewAt(cfg Config) (*News, error) { return newNews(cfg) }
