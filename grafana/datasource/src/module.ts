import { DataSourcePlugin } from '@grafana/data';
import { ConfigEditor } from './components/ConfigEditor';
import { QueryEditor } from './components/QueryEditor';
import { RcasDataSource } from './datasource';
import { RcasOptions, RcasQuery, RcasSecrets } from './types';

export const plugin = new DataSourcePlugin<RcasDataSource, RcasQuery, RcasOptions, RcasSecrets>(RcasDataSource)
  .setConfigEditor(ConfigEditor)
  .setQueryEditor(QueryEditor);
