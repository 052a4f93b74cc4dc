import { DataQueryRequest, DataQueryResponse, DataSourceInstanceSettings, LoadingState, MetricFindValue, ScopedVars } from '@grafana/data';
import { DataSourceWithBackend, getTemplateSrv } from '@grafana/runtime';
import { map, Observable } from 'rxjs';
import { Choice, defaultQuery, List, ofOneCoin, queryTypes, RcasOptions, RcasQuery } from './types';
import { Variables } from './variables';

/** Fields of a query that may hold variables. */
const texts = ['symbol', 'width', 'venue', 'source', 'model', 'repeats', 'baseline', 'threshold', 'minPosts', 'persistence', 'maxLag', 'limit'] as const;

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

  /** A stream that has brought nothing yet is no data, or the panel would draw empty axes instead of saying so. */
  query(request: DataQueryRequest<RcasQuery>): Observable<DataQueryResponse> {
    return super.query(request).pipe(map((r) => (r.state === LoadingState.Streaming && !r.error ? { ...r, data: r.data.filter((frame) => frame.length > 0 || frame.meta?.notices?.length) } : r)));
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
