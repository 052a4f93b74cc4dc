// Starts a locally installed Grafana on RCAS's data, with RCAS's plugins, dashboards and alert rules: make grafana.
//
// The data is that of a running rcas (rcas demo --keep, rcas up), which this finds by the file serving.json in its data directory, or of the
// servers that RCAS_DATABASE_URL and RCAS_NATS_URL name. Variables: RCAS_DATA_DIR, GRAFANA (the program), GRAFANA_HOME (its folder with
// public/ and conf/), GRAFANA_PORT (3000).
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
const root = path.dirname(here);

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

/** The first Grafana that is installed, with its home. */
function findGrafana() {
  const folders = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/usr/share/grafana/bin', '/opt/homebrew/bin'];
  const program = process.env.GRAFANA ?? folders.map((f) => path.join(f, 'grafana')).find((file) => existsSync(file));
  if (!program || !existsSync(program)) {
    fail('There is no Grafana here: install version 12.3 or newer (https://grafana.com/grafana/download), or set GRAFANA to the program. Without one: docker compose up.');
  }
  const real = realpathSync(program);
  const homes = [process.env.GRAFANA_HOME, path.resolve(real, '../..'), '/usr/share/grafana', path.resolve(real, '../../share/grafana')];
  const home = homes.find((h) => h && existsSync(path.join(h, 'conf/defaults.ini')));
  if (!home) {
    fail(`${program} has no home with conf/defaults.ini: set GRAFANA_HOME to it.`);
  }
  return { program: real, home };
}

/** Where the data is: servers that the environment names, or a running rcas. */
function findData() {
  if (process.env.RCAS_DATABASE_URL) {
    return { database: process.env.RCAS_DATABASE_URL, nats: process.env.RCAS_NATS_URL };
  }
  const usual = path.join(process.env.XDG_DATA_HOME ?? path.join(homedir(), '.local/share'), 'rcas');
  const folders = process.env.RCAS_DATA_DIR ? [process.env.RCAS_DATA_DIR] : [path.join(usual, 'demo'), usual];
  const file = folders.map((f) => path.join(f, 'serving.json')).find((f) => existsSync(f));
  if (!file) {
    fail(`No rcas is running on ${folders.join(' or ')}: start one in another terminal (bin/rcas demo --keep, or bin/rcas up --live), or set RCAS_DATABASE_URL.`);
  }
  return JSON.parse(readFileSync(file, 'utf8'));
}

/** The variables that the provisioned data sources read. */
function dataSources({ database, nats }) {
  const db = new URL(database.replace('@/', '@localhost/')); // a socket's URL has no host
  const socket = db.searchParams.get('host');
  const broker = nats ? new URL(nats) : undefined;
  return {
    RCAS_GRAFANA_DB_HOST: socket ?? `${db.hostname}:${db.port || 5432}`,
    RCAS_GRAFANA_DB_NAME: decodeURIComponent(db.pathname.slice(1)),
    RCAS_GRAFANA_DB_USER: decodeURIComponent(db.username),
    RCAS_GRAFANA_DB_PASSWORD: decodeURIComponent(db.password),
    RCAS_GRAFANA_DB_SSLMODE: socket ? 'disable' : (db.searchParams.get('sslmode') ?? 'require'),
    RCAS_GRAFANA_NATS_URL: broker ? `${broker.protocol}//${broker.host}` : '',
    RCAS_GRAFANA_NATS_TOKEN: broker ? decodeURIComponent(broker.username) : '',
  };
}

const { program, home } = findGrafana();
const port = process.env.GRAFANA_PORT ?? '3000';
const state = path.join(root, 'out/grafana2');
mkdirSync(state, { recursive: true });
const grafana = spawn(program, ['server', '--homepath', home], {
  stdio: ['ignore', 'inherit', 'inherit'],
  env: {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('RCAS_'))),
    ...dataSources(findData()),
    RCAS_GRAFANA_DASHBOARDS: path.join(root, 'dashboards'),
    RCAS_GRAFANA_ALERT_URL: process.env.RCAS_WEBHOOK_URL ?? 'http://127.0.0.1:9/',
    GF_PATHS_DATA: state,
    GF_PATHS_LOGS: path.join(state, 'log'),
    GF_PATHS_PLUGINS: path.join(here, 'dist'),
    GF_PATHS_PROVISIONING: path.join(here, 'provisioning'),
    GF_PLUGINS_ALLOW_LOADING_UNSIGNED_PLUGINS: 'rcas-market-datasource,rcas-wordcloud-panel',
    GF_PLUGINS_PREINSTALL_DISABLED: 'true',
    GF_SERVER_HTTP_ADDR: '127.0.0.1',
    GF_SERVER_HTTP_PORT: port,
    GF_AUTH_ANONYMOUS_ENABLED: 'true',
    GF_ANALYTICS_REPORTING_ENABLED: 'false',
    GF_ANALYTICS_CHECK_FOR_UPDATES: 'false',
    GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES: 'false',
    GF_NEWS_NEWS_FEED_ENABLED: 'false',
    GF_DATE_FORMATS_INTERVAL_HOUR: 'D MMM HH:mm',
    GF_DATE_FORMATS_INTERVAL_DAY: 'D MMM',
    GF_LOG_LEVEL: 'warn',
  },
});
process.stdout.write(
  `Grafana starts on http://127.0.0.1:${port}/d/rcas-market (log in as admin, admin to change things); Ctrl-C stops it.\n` +
    `The demo's week: http://127.0.0.1:${port}/d/rcas-market?from=1514332800000&to=1514764800000\n` +
    `Its divergences, by the demo's rule: http://127.0.0.1:${port}/d/rcas-divergence?from=1514332800000&to=1514764800000&var-symbol=ETH&var-rule_width=30m&var-threshold=1.5&var-baseline=48\n`
);
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => grafana.kill(signal));
}
grafana.on('error', (e) => fail(`${program} does not start: ${e.message}`));
grafana.on('exit', (code, signal) => process.exit(code ?? (signal ? 0 : 1)));
