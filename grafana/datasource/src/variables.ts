import { CustomVariableSupport, DataQueryRequest, DataQueryResponse, DataSourceApi } from '@grafana/data';
import { from, map, Observable } from 'rxjs';
import { VariableEditor } from './components/VariableEditor';
import type { RcasDataSource } from './datasource';
import { RcasOptions, RcasQuery, VariableQuery } from './types';

/** Variables of dashboards: the coins, venues, networks and models that there are. */
export class Variables extends CustomVariableSupport<DataSourceApi<RcasQuery, RcasOptions>, VariableQuery, RcasQuery, RcasOptions> {
  editor = VariableEditor;

  constructor(private readonly datasource: RcasDataSource) {
    super();
  }

  query(request: DataQueryRequest<VariableQuery>): Observable<DataQueryResponse> {
    return from(this.datasource.metricFindQuery(request.targets[0])).pipe(map((data) => ({ data })));
  }

  getDefaultQuery(): Partial<VariableQuery> {
    return { list: 'symbols' };
  }
}
