import { DataSourcePluginOptionsEditorProps } from '@grafana/data';
import { Combobox, FieldSet, InlineField, Input, SecretInput, SecretTextArea } from '@grafana/ui';
import { RcasOptions, RcasSecrets } from '../types';

type Props = DataSourcePluginOptionsEditorProps<RcasOptions, RcasSecrets>;

const modes = [
  { value: 'disable' as const, label: 'disable', description: 'No encryption' },
  { value: 'require' as const, label: 'require', description: 'Encrypted; checked if an authority is given' },
  { value: 'verify-ca' as const, label: 'verify-ca', description: 'Signed by the authority' },
  { value: 'verify-full' as const, label: 'verify-full', description: 'Signed, and for this host' },
];
const label = 20;
const width = 40;

/** Where the database and NATS are. Passwords, keys and tokens go to Grafana's secure store and are never read back. */
export function ConfigEditor({ options, onOptionsChange }: Props) {
  const json = (part: Partial<RcasOptions>) => onOptionsChange({ ...options, jsonData: { ...options.jsonData, ...part } });
  const secret = (name: keyof RcasSecrets) => ({
    isConfigured: Boolean(options.secureJsonFields?.[name]),
    onChange: (e: { currentTarget: { value: string } }) =>
      onOptionsChange({ ...options, secureJsonData: { ...options.secureJsonData, [name]: e.currentTarget.value } }),
    onReset: () =>
      onOptionsChange({
        ...options,
        secureJsonFields: { ...options.secureJsonFields, [name]: false },
        secureJsonData: { ...options.secureJsonData, [name]: '' },
      }),
  });
  const encrypted = options.jsonData.sslmode !== 'disable';
  return (
    <>
      <FieldSet label="Database">
        <InlineField label="Host" labelWidth={label} tooltip="host:port, or the directory of a unix socket" required>
          <Input id="host" width={width} value={options.url} placeholder="127.0.0.1:5432" onChange={(e) => onOptionsChange({ ...options, url: e.currentTarget.value })} />
        </InlineField>
        <InlineField label="Database" labelWidth={label} required>
          <Input id="database" width={width} value={options.jsonData.database ?? ''} placeholder="rcas" onChange={(e) => json({ database: e.currentTarget.value })} />
        </InlineField>
        <InlineField label="User" labelWidth={label} tooltip="A member of rcas_reader: reading is all that is needed" required>
          <Input id="user" width={width} value={options.user} placeholder="rcas_reader" onChange={(e) => onOptionsChange({ ...options, user: e.currentTarget.value })} />
        </InlineField>
        <InlineField label="Password" labelWidth={label}>
          <SecretInput id="password" width={width} {...secret('password')} />
        </InlineField>
        <InlineField label="TLS" labelWidth={label}>
          <Combobox width={width} options={modes} value={options.jsonData.sslmode ?? 'verify-full'} onChange={({ value }) => json({ sslmode: value })} />
        </InlineField>
        {encrypted && (
          <>
            <InlineField label="Authority" labelWidth={label} tooltip="PEM certificate of the authority; empty: those that the system trusts">
              <SecretTextArea cols={width} rows={3} placeholder="-----BEGIN CERTIFICATE-----" {...secret('tlsCACert')} />
            </InlineField>
            <InlineField label="Client certificate" labelWidth={label}>
              <SecretTextArea cols={width} rows={3} placeholder="-----BEGIN CERTIFICATE-----" {...secret('tlsClientCert')} />
            </InlineField>
            <InlineField label="Client key" labelWidth={label}>
              <SecretTextArea cols={width} rows={3} placeholder="-----BEGIN PRIVATE KEY-----" {...secret('tlsClientKey')} />
            </InlineField>
            <InlineField label="Name in certificate" labelWidth={label} tooltip="Where it differs from the host">
              <Input id="tlsServerName" width={width} value={options.jsonData.tlsServerName ?? ''} onChange={(e) => json({ tlsServerName: e.currentTarget.value })} />
            </InlineField>
          </>
        )}
      </FieldSet>
      <FieldSet label="Live values">
        <InlineField label="NATS" labelWidth={label} tooltip="nats://host:port or tls://host:port; empty: no live values">
          <Input id="nats" width={width} value={options.jsonData.natsUrl ?? ''} placeholder="nats://127.0.0.1:4222" onChange={(e) => json({ natsUrl: e.currentTarget.value })} />
        </InlineField>
        <InlineField label="Token" labelWidth={label}>
          <SecretInput id="natsToken" width={width} {...secret('natsToken')} />
        </InlineField>
      </FieldSet>
    </>
  );
}
