import { DataFrame, DataQueryRequest, DataQueryResponse, DataSourceInstanceSettings, LoadingState, MetricFindValue, ScopedVars } from '@grafana/data';
import { DataSourceWithBackend, getTemplateSrv } from '@grafana/runtime';
import { map, Observable } from 'rxjs';
import { Choice, defaultQuery, List, ofOneCoin, queryTypes, RcasOptions, RcasQuery } from './types';
import { Variables } from './variables';

/** Fields of a query that may hold variables. */
const texts = ['symbol', 'width', 'venue', 'source', 'model', 'repeats', 'who', 'baseline', 'threshold', 'minPosts', 'persistence', 'maxLag', 'limit'] as const;

/** The front end: it fills variables in and passes queries on. What is asked of the database is the back end's business. */
export class RcasDataSource extends DataSourceWithBackend<RcasQuery, RcasOptions> {
  constructor(settings: DataSourceInstanceSettings<RcasOptions>) {
    super(settings);
    this.annotations = {};
    this.variables = new Variables(this);
  }

  getDefaultQuery(): Partial<RcasQuery> {
    return defaultQuery;
  }

  query(request: DataQueryRequest<RcasQuery>): Observable<DataQueryResponse> {
    return super.query(request).pipe(map(streamed));
  }

  /** Unfinished queries stay in the editor. */
  filterQuery(query: RcasQuery): boolean {
    return !query.hide && queryTypes.some((t) => t.value === query.queryType) && (!ofOneCoin.has(query.queryType) || Boolean(query.symbol));
  }

  applyTemplateVariables(query: RcasQuery, scopedVars: ScopedVars): RcasQuery {
    const filled = { ...query };
    for (const field of texts) {
      const text = query[field];
      if (text !== undefined) {
        filled[field] = getTemplateSrv().replace(String(text), scopedVars);
      }
    }
    return filled;
  }

  /** What the editor and variables choose from. */
  choices(list: List): Promise<Choice[]> {
    return this.getResource<Choice[]>(list);
  }

  async metricFindQuery(query: { list?: List }): Promise<MetricFindValue[]> {
    const choices = await this.choices(query.list ?? 'symbols');
    return choices.map(({ value, label }) => ({ value, text: label }));
  }
}

/**
 * A stream that has brought nothing yet is no data, or the panel would draw empty axes instead of saying so. One that says that nothing can come
 * is an error until it says otherwise, or old values would stand under the green dot of live ones.
 */
function streamed(r: DataQueryResponse): DataQueryResponse {
  if (r.state !== LoadingState.Streaming || r.error) {
    return r;
  }
  const notices = r.data.flatMap((frame: DataFrame) => frame.meta?.notices ?? []);
  const trouble = notices.find((notice) => notice.severity === 'error');
  const data = r.data.filter((frame: DataFrame) => frame.length > 0);
  return trouble ? { ...r, data, state: LoadingState.Error, errors: [{ message: trouble.text }] } : { ...r, data };
}
