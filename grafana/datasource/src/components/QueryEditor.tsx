import { QueryEditorProps } from '@grafana/data';
import { Combobox, InlineField, InlineFieldRow, InlineSwitch, Input, RadioButtonGroup } from '@grafana/ui';
import { useId, useMemo } from 'react';
import type { RcasDataSource } from '../datasource';
import { figures, List, ofOneCoin, ofRule, ofWindows, QueryType, queryTypes, RcasOptions, RcasQuery, voices } from '../types';

type Props = QueryEditorProps<RcasDataSource, RcasQuery, RcasOptions>;

const widths = ['auto', '1m', '5m', '15m', '1h', '4h', '1d'].map((value) => ({ value }));
const label = 14;

/** Chooses what to see. Every field takes a variable of the dashboard too, written like $symbol. */
export function QueryEditor({ datasource, query, onChange, onRunQuery }: Props) {
  const type = query.queryType;
  const change = (part: Partial<RcasQuery>) => {
    onChange({ ...query, ...part });
    onRunQuery();
  };
  const id = useId(); // InlineField ties its label to its child's id
  const shared = { id, query, change };
  return (
    <>
      <InlineFieldRow>
        <InlineField label="Show" labelWidth={label}>
          <Combobox width={24} id={`${id}-show`} options={[...queryTypes]} value={type ?? null} onChange={(option) => change({ queryType: option.value as QueryType, value: undefined })} />
        </InlineField>
        {ofOneCoin.has(type) && <Choose {...shared} datasource={datasource} list="symbols" field="symbol" name="Coin" />}
        {ofWindows.has(type) && (
          <InlineField label="Window" tooltip="auto follows the panel's interval">
            <Combobox width={12} id={`${id}-window`} createCustomValue options={widths} value={query.width ?? 'auto'} onChange={({ value }) => change({ width: value })} />
          </InlineField>
        )}
        {type && figures[type] && (
          <InlineField label="Figure" tooltip="Only this one; an alert rule watches one, the first if none is chosen">
            <Combobox
              width={18}
              id={`${id}-figure`}
              isClearable
              options={figures[type].map((value) => ({ value }))}
              value={query.value ?? null}
              placeholder="all"
              onChange={(option) => change({ value: option?.value })}
            />
          </InlineField>
        )}
        {type === 'live' && (
          <InlineField label="Values">
            <RadioButtonGroup
              id={`${id}-values`}
              options={[{ value: 'prices' as const, label: 'Trades' }, { value: 'sentiments' as const, label: 'Sentiments' }]}
              value={query.live ?? 'prices'}
              onChange={(live) => change({ live })}
            />
          </InlineField>
        )}
      </InlineFieldRow>
      <InlineFieldRow>
        {hasVenue(query) && <Choose {...shared} datasource={datasource} list="venues" field="venue" name="Venue" all="all" />}
        {(hasPosts(type) || hasNetwork(query)) && <Choose {...shared} datasource={datasource} list="sources" field="source" name="Network" all="all" />}
        {hasPosts(type) && <Choose {...shared} datasource={datasource} list="models" field="model" name="Model" all="active" />}
        {hasPosts(type) && (
          <InlineField label="Who" tooltip="Whose posts count">
            <Combobox width={16} id={`${id}-who`} createCustomValue options={voices} value={query.who ?? 'people'} onChange={({ value }) => change({ who: value })} />
          </InlineField>
        )}
        {hasPosts(type) && (
          <InlineField label="Reposts" tooltip="Whether reposts and repeated texts count">
            <InlineSwitch id={`${id}-reposts`} value={query.repeats === 'true'} onChange={(e) => change({ repeats: String(e.currentTarget.checked) })} />
          </InlineField>
        )}
        {type === 'candles' && (
          <InlineField label="Fill gaps" tooltip="Carry the last price over windows without a trade">
            <InlineSwitch id={`${id}-fill`} value={Boolean(query.fill)} onChange={(e) => change({ fill: e.currentTarget.checked })} />
          </InlineField>
        )}
      </InlineFieldRow>
      {ofRule.has(type) && (
        <InlineFieldRow>
          <Figure {...shared} field="threshold" name="Threshold" usual="1" tooltip="Standard deviations by which mood and return must both stand out" />
          <Figure {...shared} field="baseline" name="Baseline" usual="96" tooltip="Windows that say what is usual" />
          <Figure {...shared} field="minPosts" name="Posts" usual="20" tooltip="Posts that a window needs" />
          <Figure {...shared} field="persistence" name="Lasting" usual="2" tooltip="Windows in a row that must disagree" />
        </InlineFieldRow>
      )}
      {type === 'lead_lag' && <Figure {...shared} field="maxLag" name="Lags" usual="12" tooltip="Windows to each side" />}
      {(type === 'terms' || type === 'trending_terms') && <Figure {...shared} field="limit" name="Words" usual="30" tooltip="How many, at most 500" />}
    </>
  );
}

const hasVenue = ({ queryType, live }: RcasQuery) =>
  queryType === 'candles' || queryType === 'mood_price' || queryType === 'lead_lag' || ofRule.has(queryType) || (queryType === 'live' && live !== 'sentiments');

const hasPosts = (type?: QueryType) => type === 'mood' || type === 'mood_price' || type === 'lead_lag' || ofRule.has(type);

/** Words and live sentiments are of one network or of all, whatever the model. */
const hasNetwork = ({ queryType, live }: RcasQuery) => queryType === 'terms' || queryType === 'trending_terms' || (queryType === 'live' && live === 'sentiments');

interface Shared {
  id: string;
  query: RcasQuery;
  change: (part: Partial<RcasQuery>) => void;
  name: string;
}

interface ChooseProps extends Shared {
  datasource: RcasDataSource;
  list: List;
  field: 'symbol' | 'venue' | 'source' | 'model';
  /** What stands for no choice. */
  all?: string;
}

/** One of the names that the back end knows, or a variable. */
function Choose({ id, datasource, query, change, list, field, name, all }: ChooseProps) {
  const options = useMemo(
    () => async (typed: string) => {
      const choices = await datasource.choices(list).catch(() => []);
      const offered = all ? [{ value: all, label: all }, ...choices] : choices;
      return offered.filter((c) => c.label.toLowerCase().includes(typed.toLowerCase()));
    },
    [datasource, list, all]
  );
  return (
    <InlineField label={name} labelWidth={field === 'venue' ? label : undefined}>
      <Combobox width={20} id={`${id}-${field}`} createCustomValue options={options} value={query[field] ?? all ?? null} onChange={({ value }) => change({ [field]: value })} />
    </InlineField>
  );
}

interface FigureProps extends Shared {
  field: 'threshold' | 'baseline' | 'minPosts' | 'persistence' | 'maxLag' | 'limit';
  usual: string;
  tooltip: string;
}

/** A number, or a variable; empty is what is usual. */
function Figure({ id, query, change, field, name, usual, tooltip }: FigureProps) {
  return (
    <InlineField label={name} tooltip={tooltip}>
      <Input width={10} id={`${id}-${field}`} defaultValue={query[field]} placeholder={usual} onBlur={(e) => change({ [field]: e.currentTarget.value.trim() || undefined })} />
    </InlineField>
  );
}
