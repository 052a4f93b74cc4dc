import { CustomVariableSupport, DataQueryRequest, DataSourceInstanceSettings, LoadingState } from '@grafana/data';
import { DataSourceWithBackend } from '@grafana/runtime';
import { firstValueFrom, of } from 'rxjs';
import { RcasDataSource } from './datasource';
import { plugin } from './module';
import { queryTypes, RcasOptions, RcasQuery, VariableQuery } from './types';

jest.mock('@grafana/runtime', () => ({
  ...jest.requireActual('@grafana/runtime'),
  getTemplateSrv: () => ({ replace: (text: string) => text.replace('$coin', 'ETH').replace('$sigma', '1.5') }),
}));

const settings = { id: 1, uid: 'rcas-market', type: 'rcas-market-datasource', name: 'RCAS', jsonData: {} } as DataSourceInstanceSettings<RcasOptions>;

describe('the data source', () => {
  const datasource = new RcasDataSource(settings);

  it('fills variables in and leaves the query as it was', () => {
    const query = { refId: 'A', queryType: 'divergence' as const, symbol: '$coin', threshold: '$sigma', fill: true };
    expect(datasource.applyTemplateVariables(query, {})).toEqual({ ...query, symbol: 'ETH', threshold: '1.5' });
    expect(query.symbol).toBe('$coin');
  });

  it('asks nothing unfinished', () => {
    expect(datasource.filterQuery({ refId: 'A' })).toBe(false);
    expect(datasource.filterQuery({ refId: 'A', queryType: 'candles' })).toBe(false);
    expect(datasource.filterQuery({ refId: 'A', queryType: 'candles', symbol: '$coin' })).toBe(true);
    expect(datasource.filterQuery({ refId: 'A', queryType: 'feed_health' })).toBe(true);
    expect(datasource.filterQuery({ refId: 'A', queryType: 'feed_health', hide: true })).toBe(false);
    expect(datasource.filterQuery({ refId: 'A', queryType: 'sql' as never })).toBe(false);
  });

  it('begins with a query that shows something', () => {
    expect(datasource.filterQuery({ refId: 'A', ...datasource.getDefaultQuery() })).toBe(true);
  });

  it('says that nothing came, instead of drawing empty axes', async () => {
    const query = jest.spyOn(DataSourceWithBackend.prototype, 'query');
    const frame = (length: number) => ({ fields: [], length });
    const answer = async (state: LoadingState, length: number) => {
      query.mockReturnValue(of({ state, data: [frame(length)] }));
      return (await firstValueFrom(datasource.query({ targets: [] } as unknown as DataQueryRequest<RcasQuery>))).data;
    };
    expect(await answer(LoadingState.Streaming, 0)).toEqual([]);
    expect(await answer(LoadingState.Streaming, 2)).toEqual([frame(2)]);
    expect(await answer(LoadingState.Done, 0)).toEqual([frame(0)]);
    query.mockRestore();
  });

  it('says that nothing can come, until something can', async () => {
    const query = jest.spyOn(DataSourceWithBackend.prototype, 'query');
    const frame = (notices: unknown[]) => ({ fields: [], length: 2, meta: { notices } });
    const answer = (notices: unknown[]) => {
      query.mockReturnValue(of({ state: LoadingState.Streaming, data: [frame(notices)] }));
      return firstValueFrom(datasource.query({ targets: [] } as unknown as DataQueryRequest<RcasQuery>));
    };
    const gone = await answer([{ severity: 'error', text: 'NATS is gone.' }]);
    expect([gone.state, gone.errors]).toEqual([LoadingState.Error, [{ message: 'NATS is gone.' }]]);
    const back = await answer([]);
    expect([back.state, back.errors]).toEqual([LoadingState.Streaming, undefined]);
    query.mockRestore();
  });

  it('lists choices for variables', async () => {
    const resource = jest.spyOn(datasource, 'getResource').mockResolvedValue([{ value: 'BTC', label: 'BTC · Bitcoin' }]);
    const variables = datasource.variables as CustomVariableSupport<never, VariableQuery>;
    const request = { targets: [{ refId: 'V', list: 'models' }] } as DataQueryRequest<VariableQuery>;
    expect(await firstValueFrom(variables.query(request))).toEqual({ data: [{ value: 'BTC', text: 'BTC · Bitcoin' }] });
    expect(resource).toHaveBeenCalledWith('models');
  });

  it('offers annotations, an editor and a configuration', () => {
    expect(datasource.annotations).toEqual({});
    expect(plugin.components.QueryEditor).toBeDefined();
    expect(plugin.components.ConfigEditor).toBeDefined();
    expect(new Set(queryTypes.map((t) => t.value)).size).toBe(queryTypes.length);
  });
});
