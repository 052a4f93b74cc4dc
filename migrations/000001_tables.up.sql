-- Roles. They belong to the server, not to this database, so they may exist already.
DO $$
BEGIN
    CREATE ROLE rcas_writer NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
DO $$
BEGIN
    CREATE ROLE rcas_reader NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;

CREATE EXTENSION IF NOT EXISTS timescaledb;

CREATE TABLE assets (
    symbol     text PRIMARY KEY,
    name       text NOT NULL,
    cashtags   text[] NOT NULL DEFAULT '{}',
    keywords   text[] NOT NULL DEFAULT '{}',
    exclusions text[] NOT NULL DEFAULT '{}',
    loaded_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE assets IS 'Coins that RCAS follows and how posts name them. Edited as YAML, loaded by rcas.';
COMMENT ON COLUMN assets.symbol IS 'Ticker in capitals, e.g. BTC: the key of every window.';
COMMENT ON COLUMN assets.name IS 'What people call it, e.g. Bitcoin.';
COMMENT ON COLUMN assets.cashtags IS 'Tags that always mean the coin, without $ or #.';
COMMENT ON COLUMN assets.keywords IS 'Words and phrases that mean the coin in running text.';
COMMENT ON COLUMN assets.exclusions IS 'Phrases in which a keyword means something else (ripple effect).';
COMMENT ON COLUMN assets.loaded_at IS 'When rcas last loaded it from the YAML.';

CREATE TABLE models (
    name       text PRIMARY KEY,
    languages  text[] NOT NULL DEFAULT '{}',
    active     boolean NOT NULL DEFAULT false,
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX models_one_active ON models (active) WHERE active;
COMMENT ON TABLE models IS 'Sentiment models that have scored here. The active one is what mood and its relatives show.';
COMMENT ON COLUMN models.name IS 'Name of the model: its directory''s.';
COMMENT ON COLUMN models.languages IS 'ISO 639-1 codes that the model judges; empty means any.';
COMMENT ON COLUMN models.active IS 'True for exactly one model: rcas model use NAME.';
COMMENT ON COLUMN models.changed_at IS 'When it last became, or ceased to be, the active one.';

CREATE TABLE tweets (
    time           timestamptz NOT NULL,
    source         text        NOT NULL,
    id             text COLLATE "C" NOT NULL,
    author         text        NOT NULL DEFAULT '',
    lang           text        NOT NULL DEFAULT '',
    text           text        NOT NULL,
    symbols        text[]      NOT NULL,
    repost         boolean     NOT NULL DEFAULT false,
    followers      bigint      NOT NULL DEFAULT 0,
    quote_count    bigint      NOT NULL DEFAULT 0,
    reply_count    bigint      NOT NULL DEFAULT 0,
    retweet_count  bigint      NOT NULL DEFAULT 0,
    favorite_count bigint      NOT NULL DEFAULT 0,
    received_at    timestamptz NOT NULL,
    stored_at      timestamptz NOT NULL DEFAULT now(),
    deleted_at     timestamptz,
    PRIMARY KEY (source, id, time)
);
SELECT create_hypertable('tweets', by_range('time', INTERVAL '7 days'), create_default_indexes => false);
CREATE INDEX tweets_time ON tweets (time);
COMMENT ON TABLE tweets IS 'Short public posts as read, one row each; never updated by scoring.';
COMMENT ON COLUMN tweets.time IS 'When the author posted it (event time, UTC).';
COMMENT ON COLUMN tweets.source IS 'Network: twitter, reddit, bluesky, ….';
COMMENT ON COLUMN tweets.id IS 'The network''s own identifier.';
COMMENT ON COLUMN tweets.author IS 'Who posted it, as the network names people; empty when unknown or deleted.';
COMMENT ON COLUMN tweets.lang IS 'ISO 639-1 code; empty when unknown.';
COMMENT ON COLUMN tweets.text IS 'What it says, UTF-8; empty when deleted.';
COMMENT ON COLUMN tweets.symbols IS 'Coins that the post speaks of.';
COMMENT ON COLUMN tweets.repost IS 'The post only passes on somebody else''s.';
COMMENT ON COLUMN tweets.followers IS 'Followers of the author when the post was read.';
COMMENT ON COLUMN tweets.quote_count IS 'Quotes when the post was read.';
COMMENT ON COLUMN tweets.reply_count IS 'Replies when the post was read.';
COMMENT ON COLUMN tweets.retweet_count IS 'Reposts when the post was read.';
COMMENT ON COLUMN tweets.favorite_count IS 'Likes when the post was read; on Reddit, the score.';
COMMENT ON COLUMN tweets.received_at IS 'When RCAS read it; never before time (clock skew is clamped and counted).';
COMMENT ON COLUMN tweets.stored_at IS 'When it was committed here.';
COMMENT ON COLUMN tweets.deleted_at IS 'When its deletion at the source was honoured: text and author are gone, the counts stay.';

CREATE TABLE deletions (
    source  text             NOT NULL,
    id      text COLLATE "C" NOT NULL,
    seen_at timestamptz      NOT NULL DEFAULT now(),
    PRIMARY KEY (source, id)
);
CREATE INDEX deletions_seen ON deletions (seen_at);
COMMENT ON TABLE deletions IS 'Deletions of the last day: after a crash, a deletion may be delivered before the post that it is of.';
COMMENT ON COLUMN deletions.source IS 'Network, as in tweets.';
COMMENT ON COLUMN deletions.id IS 'The network''s own identifier of the post; of an account, what its posts'' begin with, up to the slash.';
COMMENT ON COLUMN deletions.seen_at IS 'When the deletion was honoured.';

-- The key begins with the time: so it serves the questions for a time too, and no row pays for a second index.
CREATE TABLE prices (
    time        timestamptz      NOT NULL,
    symbol      text             NOT NULL,
    venue       text             NOT NULL,
    trade_id    text COLLATE "C" NOT NULL,
    price       double precision NOT NULL,
    volume      double precision NOT NULL,
    received_at timestamptz      NOT NULL,
    stored_at   timestamptz      NOT NULL DEFAULT now(),
    PRIMARY KEY (time, symbol, venue, trade_id)
);
SELECT create_hypertable('prices', by_range('time', INTERVAL '1 day'), create_default_indexes => false);
COMMENT ON TABLE prices IS 'Trades, one a row. An archived OHLCV bar is four rows: open, low, high, close.';
COMMENT ON COLUMN prices.time IS 'When the trade happened at the venue (UTC).';
COMMENT ON COLUMN prices.symbol IS 'The coin, as in assets.';
COMMENT ON COLUMN prices.venue IS 'Exchange, or the archive that the bar came from.';
COMMENT ON COLUMN prices.trade_id IS 'The venue''s own identifier.';
COMMENT ON COLUMN prices.price IS 'Quote currency (US dollar or a dollar stablecoin) per coin.';
COMMENT ON COLUMN prices.volume IS 'Coins.';
COMMENT ON COLUMN prices.received_at IS 'When RCAS read it; never before time.';
COMMENT ON COLUMN prices.stored_at IS 'When it was committed here.';

CREATE TABLE sentiments (
    time        timestamptz      NOT NULL,
    source      text             NOT NULL,
    id          text COLLATE "C" NOT NULL,
    symbol      text             NOT NULL,
    model       text             NOT NULL,
    negative    real,
    neutral     real,
    positive    real,
    score       real,
    skipped     text,
    weight      real             NOT NULL,
    reach       double precision NOT NULL,
    repeat      boolean          NOT NULL,
    author_hash integer          NOT NULL,
    text_hash   bigint           NOT NULL,
    scored_at   timestamptz      NOT NULL DEFAULT now(),
    PRIMARY KEY (time, symbol, source, id, model),
    CHECK ((score IS NULL) = (skipped IS NOT NULL))
);
SELECT create_hypertable('sentiments', by_range('time', INTERVAL '7 days'), create_default_indexes => false);
-- Serves the search for the same text within the hour, once for each new post.
CREATE INDEX sentiments_text ON sentiments (text_hash, time);
COMMENT ON TABLE sentiments IS 'What a model read in a post about a coin: one row per tweet, symbol and model, appended only.';
COMMENT ON COLUMN sentiments.time IS 'Time of the post.';
COMMENT ON COLUMN sentiments.source IS 'Network, as in tweets.';
COMMENT ON COLUMN sentiments.id IS 'The post, as in tweets.';
COMMENT ON COLUMN sentiments.symbol IS 'The coin that it speaks of; a post about two coins has two rows.';
COMMENT ON COLUMN sentiments.model IS 'Which model read it, as in models.';
COMMENT ON COLUMN sentiments.negative IS 'Probability; NULL where the model could not judge.';
COMMENT ON COLUMN sentiments.neutral IS 'Probability; NULL where the model could not judge.';
COMMENT ON COLUMN sentiments.positive IS 'Probability; NULL where the model could not judge.';
COMMENT ON COLUMN sentiments.score IS 'positive - negative, in [-1, 1]; NULL where the model could not judge.';
COMMENT ON COLUMN sentiments.skipped IS 'Why the model could not judge: language, no text, low confidence; NULL where it did.';
COMMENT ON COLUMN sentiments.weight IS '1 + ln(1+followers)/4 + ln(1+engagement)/2: damped, so that one account cannot be the market.';
COMMENT ON COLUMN sentiments.reach IS 'followers × (likes+1) × (retweets+1): undamped, for influence.';
COMMENT ON COLUMN sentiments.repeat IS 'A repost, or the same text as another post of the hour before it.';
COMMENT ON COLUMN sentiments.author_hash IS 'Hash of source and author, for counting authors.';
COMMENT ON COLUMN sentiments.text_hash IS 'Hash of the normalised text, for finding repeats.';
COMMENT ON COLUMN sentiments.scored_at IS 'When it was committed here.';

CREATE TABLE term_counts (
    bucket timestamptz NOT NULL,
    symbol text        NOT NULL,
    term   text        NOT NULL,
    n      integer     NOT NULL
);
SELECT create_hypertable('term_counts', by_range('bucket', INTERVAL '7 days'), create_default_indexes => false);
-- Rows come about in the order of time and are read by the window: a B-tree would take more time than the rows themselves.
CREATE INDEX term_counts_bucket ON term_counts USING brin (bucket) WITH (autosummarize = on);
COMMENT ON TABLE term_counts IS 'Words of the posts per five minutes and symbol. Appended in the transaction that adds the sentiments, so no post counts twice; a term has many rows, add them up.';
COMMENT ON COLUMN term_counts.bucket IS 'Start of the five minutes.';
COMMENT ON COLUMN term_counts.symbol IS 'The coin that the posts speak of.';
COMMENT ON COLUMN term_counts.term IS 'The word, in lower case.';
COMMENT ON COLUMN term_counts.n IS 'Posts that hold the term.';

CREATE TABLE pipeline_counts (
    time      timestamptz NOT NULL DEFAULT now(),
    component text        NOT NULL,
    source    text        NOT NULL,
    event     text        NOT NULL,
    n         bigint      NOT NULL
);
SELECT create_hypertable('pipeline_counts', by_range('time', INTERVAL '7 days'), create_default_indexes => false);
CREATE INDEX pipeline_counts_time ON pipeline_counts (time DESC);
COMMENT ON TABLE pipeline_counts IS 'What each part of the pipeline did, in increments: sum n. The writer''s and scorer''s rows share the transaction of the rows they count.';
COMMENT ON COLUMN pipeline_counts.time IS 'When it was counted (machine time, not event time).';
COMMENT ON COLUMN pipeline_counts.component IS 'ingest, writer or scorer.';
COMMENT ON COLUMN pipeline_counts.source IS 'The posts'' source or the trades'' venue.';
COMMENT ON COLUMN pipeline_counts.event IS 'read, stored, duplicate, scored, skipped: and dropped: with a reason, dead, reconnect, gap, ….';
COMMENT ON COLUMN pipeline_counts.n IS 'How many since the row before.';

CREATE TABLE cursors (
    source   text PRIMARY KEY,
    cursor   text NOT NULL,
    saved_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE cursors IS 'How far each resumable feed has been read into the stream.';
COMMENT ON COLUMN cursors.source IS 'The feed.';
COMMENT ON COLUMN cursors.cursor IS 'JSON that only the feed understands.';
COMMENT ON COLUMN cursors.saved_at IS 'When it was saved, after all before it was safely in the stream.';
