import { DataSourceSettings } from '@grafana/data';
import { fireEvent, render, screen } from '@testing-library/react';
import type { RcasDataSource } from '../datasource';
import { RcasOptions, RcasQuery, RcasSecrets } from '../types';
import { ConfigEditor } from './ConfigEditor';
import { QueryEditor } from './QueryEditor';
import { VariableEditor } from './VariableEditor';

const datasource = { choices: () => Promise.resolve([{ value: 'BTC', label: 'BTC · Bitcoin' }]) } as unknown as RcasDataSource;

function edit(query: Partial<RcasQuery>) {
  const onChange = jest.fn();
  const onRunQuery = jest.fn();
  render(<QueryEditor datasource={datasource} query={{ refId: 'A', ...query }} onChange={onChange} onRunQuery={onRunQuery} />);
  return { onChange, onRunQuery };
}

describe('the query editor', () => {
  it.each([
    ['candles', ['Coin', 'Window', 'Venue', 'Fill gaps'], ['Threshold', 'Network']],
    ['divergence', ['Coin', 'Window', 'Venue', 'Network', 'Who', 'Threshold', 'Baseline', 'Lasting'], ['Fill gaps']],
    ['terms', ['Coin', 'Words', 'Network'], ['Window', 'Venue', 'Who']],
    ['feed_health', [], ['Coin', 'Window', 'Venue', 'Network']],
    ['live', ['Coin', 'Values', 'Venue'], ['Window', 'Threshold']],
  ] as const)('of %s shows what counts there', (queryType, shown, hidden) => {
    edit({ queryType });
    shown.forEach((label) => expect(screen.queryByText(label)).not.toBeNull());
    hidden.forEach((label) => expect(screen.queryByText(label)).toBeNull());
  });

  it('takes a figure when it is finished, and nothing for none', () => {
    const { onChange, onRunQuery } = edit({ queryType: 'divergence', threshold: '2' });
    const field = screen.getByDisplayValue('2');
    fireEvent.change(field, { target: { value: ' 1.5 ' } });
    expect(onChange).not.toHaveBeenCalled();
    fireEvent.blur(field);
    expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining({ threshold: '1.5' }));
    fireEvent.change(field, { target: { value: '' } });
    fireEvent.blur(field);
    expect(onChange.mock.lastCall[0].threshold).toBeUndefined();
    expect(onRunQuery).toHaveBeenCalledTimes(2);
  });

  it.each(['candles', 'divergence', 'lead_lag', 'terms', 'live'] as const)('of %s names every control', (queryType) => {
    edit({ queryType });
    const controls = (options?: { name: RegExp }) => ['combobox', 'switch', 'textbox'].flatMap((role) => screen.queryAllByRole(role, options));
    expect(controls().length).toBeGreaterThan(1);
    expect(controls({ name: /./ })).toEqual(controls());
  });

  it('counts reposts', () => {
    const { onChange } = edit({ queryType: 'mood' });
    fireEvent.click(screen.getByRole('switch'));
    expect(onChange).toHaveBeenLastCalledWith(expect.objectContaining({ repeats: 'true' }));
  });
});

describe('the variable editor', () => {
  it('chooses a list', () => {
    const onChange = jest.fn();
    render(<VariableEditor datasource={datasource as never} query={{ refId: 'V' }} onChange={onChange} onRunQuery={jest.fn()} />);
    fireEvent.click(screen.getByLabelText('Models'));
    expect(onChange).toHaveBeenCalledWith(expect.objectContaining({ list: 'models' }));
  });
});

describe('the configuration', () => {
  const options = { url: 'db:5432', user: 'reader', jsonData: { database: 'rcas' }, secureJsonFields: { password: true } } as unknown as DataSourceSettings<RcasOptions, RcasSecrets>;

  it('keeps secrets apart from settings', () => {
    const onOptionsChange = jest.fn();
    const { container } = render(<ConfigEditor options={{ ...options, secureJsonFields: {} }} onOptionsChange={onOptionsChange} />);
    fireEvent.change(container.querySelector('#natsToken') as Element, { target: { value: 'secret' } });
    expect(onOptionsChange.mock.lastCall[0].secureJsonData).toEqual({ natsToken: 'secret' });
    expect(JSON.stringify(onOptionsChange.mock.lastCall[0].jsonData)).not.toContain('secret');
    fireEvent.change(container.querySelector('#nats') as Element, { target: { value: 'nats://n:4222' } });
    expect(onOptionsChange.mock.lastCall[0].jsonData).toEqual({ database: 'rcas', natsUrl: 'nats://n:4222' });
  });

  it('never shows a stored secret, and forgets it on demand', () => {
    const onOptionsChange = jest.fn();
    const { container } = render(<ConfigEditor options={options} onOptionsChange={onOptionsChange} />);
    expect((container.querySelector('#password') as HTMLInputElement).disabled).toBe(true);
    fireEvent.click(screen.getByText('Reset'));
    expect(onOptionsChange.mock.lastCall[0].secureJsonFields).toEqual({ password: false });
  });

  it('asks for certificates only where there is encryption', () => {
    const { rerender } = render(<ConfigEditor options={options} onOptionsChange={jest.fn()} />);
    expect(screen.queryByText('Client key')).not.toBeNull();
    rerender(<ConfigEditor options={{ ...options, jsonData: { sslmode: 'disable' } }} onOptionsChange={jest.fn()} />);
    expect(screen.queryByText('Client key')).toBeNull();
  });
});
