import { DataSourceJsonData } from '@grafana/data';
import { DataQuery } from '@grafana/schema';

/** What can be asked, in the order in which the editor offers it. */
export const queryTypes = [
  { value: 'candles', label: 'Candles', description: 'Open, high, low, close and volume per window' },
  { value: 'mood', label: 'Mood', description: 'Mood, opinions and posts per window' },
  { value: 'mood_price', label: 'Mood and price', description: 'Both on one time line' },
  { value: 'divergence', label: 'Divergence', description: 'How far mood and price part ways, per window' },
  { value: 'divergence_state', label: 'Divergence now', description: 'The state of the rule for every coin; for alert rules too' },
  { value: 'divergence_events', label: 'Divergence events', description: 'When the rule fired; for annotations' },
  { value: 'lead_lag', label: 'Lead and lag', description: 'Which of mood and price moves first' },
  { value: 'terms', label: 'Commonest words', description: 'Words of the posts' },
  { value: 'trending_terms', label: 'Trending words', description: 'Words commoner than the day before' },
  { value: 'feed_health', label: 'Feeds', description: 'Freshness, rate and lag of every feed' },
  { value: 'scorer_health', label: 'Scorer', description: 'Whether the scorer keeps up' },
  { value: 'stream_state', label: 'Streams', description: 'What waits in NATS' },
  { value: 'live', label: 'Live', description: 'Trades or sentiments, pushed as they arrive' },
] as const;

export type QueryType = (typeof queryTypes)[number]['value'];

/** A query. Names that are missing mean all venues, all networks, the active model; figures may be variables, so they are text. */
export interface RcasQuery extends DataQuery {
  queryType?: QueryType;
  symbol?: string;
  /** 5m, 1h, 1d, …; auto follows the panel's interval. */
  width?: string;
  venue?: string;
  source?: string;
  model?: string;
  /** "true" counts reposts, repeated texts and much by one author, too. */
  repeats?: string;
  /** Whose posts count. */
  who?: string;
  fill?: boolean;
  baseline?: string;
  threshold?: string;
  minPosts?: string;
  persistence?: string;
  maxLag?: string;
  limit?: string;
  live?: 'prices' | 'sentiments';
  /** The only figure wanted, by the name of its column; an alert rule gets the first where none is named. */
  value?: string;
}

export const defaultQuery: Partial<RcasQuery> = { queryType: 'mood_price', symbol: 'BTC', width: 'auto' };

/** Query types that speak of one coin. */
export const ofOneCoin: ReadonlySet<string | undefined> = new Set<QueryType>([
  'candles', 'mood', 'mood_price', 'divergence', 'divergence_events', 'lead_lag', 'terms', 'trending_terms', 'live',
]);

/** Query types that follow the settings of a divergence rule. */
export const ofRule: ReadonlySet<string | undefined> = new Set<QueryType>(['divergence', 'divergence_state', 'divergence_events']);

/** The figures of the answers that an alert rule can watch, the usual one first. */
export const figures: Partial<Record<QueryType, readonly string[]>> = {
  candles: ['open', 'high', 'low', 'close', 'volume', 'vwap', 'trades'],
  mood: ['weighted_mood', 'mood', 'mood_error', 'negative', 'neutral', 'positive', 'posts', 'judged', 'authors', 'dominance', 'momentum'],
  mood_price: ['close', 'weighted_mood', 'mood', 'return', 'realised_volatility', 'volume', 'posts'],
  divergence: ['divergence', 'mood_z', 'return_z', 'signal', 'posts'],
  divergence_state: ['signal', 'divergence', 'mood_z', 'return_z', 'posts'],
  terms: ['posts', 'share'],
  trending_terms: ['posts', 'expected', 'ratio', 'score'],
  feed_health: ['silent_seconds', 'per_second', 'source_lag', 'store_lag', 'store_lag_p95', 'dropped_share'],
  scorer_health: ['per_second', 'unscored', 'behind_seconds', 'score_lag', 'skipped_share'],
};

/** Query types over windows. */
export const ofWindows: ReadonlySet<string | undefined> = new Set<QueryType>([
  'candles', 'mood', 'mood_price', 'divergence', 'divergence_state', 'divergence_events', 'lead_lag',
]);

/** Whose posts can be counted. */
export const voices = [
  { value: 'people', label: 'people' },
  { value: 'all', label: 'everybody' },
  { value: 'adverts', label: 'adverts' },
  { value: 'bots', label: 'bots' },
  { value: 'news', label: 'news' },
];

/** What a variable lists. */
export const lists = ['symbols', 'venues', 'sources', 'models'] as const;
export type List = (typeof lists)[number];

export interface VariableQuery extends RcasQuery {
  list?: List;
}

export interface Choice {
  value: string;
  label: string;
}

export interface RcasOptions extends DataSourceJsonData {
  database?: string;
  sslmode?: 'disable' | 'require' | 'verify-ca' | 'verify-full';
  tlsServerName?: string;
  natsUrl?: string;
}

export interface RcasSecrets {
  password?: string;
  tlsCACert?: string;
  tlsClientCert?: string;
  tlsClientKey?: string;
  natsToken?: string;
}
