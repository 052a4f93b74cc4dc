import { DataSourceApi, QueryEditorProps } from '@grafana/data';
import { InlineField, RadioButtonGroup } from '@grafana/ui';
import { List, lists, RcasOptions, RcasQuery, VariableQuery } from '../types';

type Props = QueryEditorProps<DataSourceApi<RcasQuery, RcasOptions>, RcasQuery, RcasOptions, VariableQuery>;

const names: Record<List, string> = { symbols: 'Coins', venues: 'Venues', sources: 'Networks', models: 'Models' };

export function VariableEditor({ query, onChange }: Props) {
  return (
    <InlineField label="List" labelWidth={14}>
      <RadioButtonGroup
        options={lists.map((list) => ({ value: list, label: names[list] }))}
        value={query.list ?? 'symbols'}
        onChange={(list) => onChange({ refId: 'variable', list })}
      />
    </InlineField>
  );
}
