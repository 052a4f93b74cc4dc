import { mkdirSync, readdirSync, readFileSync } from 'fs';
import path from 'path';
import { Browser, BrowserContext, Page } from 'playwright-core';
import { startBrowser } from '../browser';

/**
 * Opens what RCAS provisions in a running Grafana, as a person does, and keeps pictures in out/grafana/pictures.
 * GRAFANA_URL: the Grafana, with data behind it. GRAFANA_LOGIN: user:password, if it lets nobody in without.
 */
const grafana = process.env.GRAFANA_URL ?? '';
const root = path.resolve(__dirname, '../..');
const pictures = path.join(root, 'out/grafana/pictures');

interface Dashboard {
  uid: string;
  panels: { title: string; type: string }[];
}

const dashboards = readdirSync(path.join(root, 'dashboards'))
  .filter((name) => name.endsWith('.json'))
  .map((name): Dashboard => JSON.parse(readFileSync(path.join(root, 'dashboards', name), 'utf8')))
  // What is folded away in a row asks nothing.
  .map((d) => ({ ...d, panels: d.panels.filter((p) => p.type !== 'row') }));

/** Times to look at: that which the dashboard opens with, the demo's archive, one with nothing in it, and one that is far too long. */
const times = { usual: '', demo: 'from=1514332800000&to=1514764800000', empty: 'from=946684800000&to=946771200000', decade: 'from=now-10y&to=now&var-width=1d&var-rule_width=1d' };

let browser: Browser;
let context: BrowserContext;

beforeAll(async () => {
  if (!grafana) {
    throw new Error('Set GRAFANA_URL to a running Grafana with RCAS in it, such as the one that make grafana starts.');
  }
  mkdirSync(pictures, { recursive: true });
  browser = await startBrowser();
  const login = process.env.GRAFANA_LOGIN;
  context = await browser.newContext({
    baseURL: grafana,
    locale: 'en-GB',
    viewport: { width: 1600, height: 2300 },
    extraHTTPHeaders: login ? { Authorization: `Basic ${Buffer.from(login).toString('base64')}` } : {},
  });
});
afterAll(() => browser?.close());

/** Whether a rule takes the answer as it is, one row for each set of labels, or reduces a series first. */
const ofTable = (queryType: string) => ['divergence_state', 'terms', 'feed_health', 'scorer_health'].includes(queryType);

interface Shown {
  title: string;
  error: boolean;
  text: string;
}

const panel = 'section[data-testid^="data-testid Panel header"]';

/** Opens a page and waits until every panel of it is drawn. */
async function open(url: string, panels: number): Promise<Page> {
  const page = await context.newPage();
  await page.goto(url, { waitUntil: 'domcontentloaded' });
  await page.waitForFunction(([selector, count]) => document.querySelectorAll(selector).length >= count, [panel, panels] as const, { timeout: 20_000 });
  await page.waitForLoadState('networkidle', { timeout: 5_000 }).catch(() => undefined); // live panels and refreshes never rest
  await page.waitForFunction(() => !document.querySelector('[aria-label="Panel loading bar"]'), undefined, { timeout: 60_000 });
  return page;
}

async function shown(page: Page): Promise<Shown[]> {
  return page.$$eval(panel, (sections) =>
    sections.map((s) => ({
      title: s.getAttribute('data-testid')?.replace('data-testid Panel header ', '') ?? '',
      error: s.querySelector('[data-testid="data-testid Panel status error"]') !== null,
      text: (s as HTMLElement).innerText.replace(/\s+/g, ' '),
    }))
  );
}

const cases = dashboards.flatMap((d) => Object.entries(times).map(([name, query]) => ({ d, uid: d.uid, name, query })));

it.each(cases)('$uid opens without an error, $name time', async ({ d, uid, name, query }) => {
  const page = await open(`/d/${uid}?kiosk&${query}`, d.panels.length);
  const panels = await shown(page);
  await page.screenshot({ path: path.join(pictures, `${uid}-${name}.png`) });
  await page.close();
  expect(panels).toHaveLength(d.panels.length);
  expect(panels.filter((p) => p.error)).toEqual([]);
  // An empty panel says why in a sentence of its own, not in Grafana's words.
  expect(panels.filter((p) => /No data|Data is missing|unexpected error/.test(p.text))).toEqual([]);
});

it('carries the coin and the time from one dashboard to the next', async () => {
  const page = await open(`/d/rcas-market?kiosk&${times.demo}`, 5);
  await page.getByRole('link', { name: 'ETH', exact: true }).first().click();
  await page.waitForURL(/rcas-coin/);
  expect(new URL(page.url()).searchParams.get('var-symbol')).toBe('ETH');
  expect(Number(new Date(new URL(page.url()).searchParams.get('from') ?? ''))).toBe(1514332800000);
  await page.getByText('ETH · Ethereum in this time').waitFor();
  await page.close();
});

it('says that it does not know a coin', async () => {
  const page = await open(`/d/rcas-coin?kiosk&var-symbol=NOSUCH`, 1);
  await page.locator('[data-testid="data-testid Panel status error"]').first().hover();
  await page.getByText(/symbol.*NOSUCH/i).first().waitFor();
  await page.screenshot({ path: path.join(pictures, 'unknown.png') });
  await page.close();
});

it('says what to do when a time has too many windows', async () => {
  const page = await open('/d/rcas-divergence?kiosk&from=now-10y&to=now&var-rule_width=15m', 7);
  await page.locator('[data-testid="data-testid Panel status error"]').first().hover();
  await page.getByText(/is \d+ buckets, and one call gives at most/).first().waitFor();
  await page.close();
});

it('evaluates every alert rule without an error', async () => {
  interface Rule {
    name: string;
    health: string;
  }
  let rules: Rule[] = [];
  for (const until = Date.now() + 150_000; Date.now() < until; await new Promise((r) => setTimeout(r, 2000))) {
    const answer = await (await context.request.get('/api/prometheus/grafana/api/v1/rules')).json();
    rules = answer.data.groups.flatMap((g: { rules: Rule[] }) => g.rules);
    if (rules.every((r) => r.health !== 'unknown')) {
      break;
    }
  }
  expect(rules.map((r) => r.health)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok']);
});

it('evaluates alert rules on the RCAS source', async () => {
  const login = process.env.GRAFANA_LOGIN ?? 'admin:admin';
  const headers = { Authorization: `Basic ${Buffer.from(login).toString('base64')}` };
  const folder = `rcas-e2e-${Date.now()}`;
  const made = await context.request.post('/api/folders', { headers, data: { uid: folder, title: folder } });
  expect(made.status()).toBe(200);
  // Each answer that a rule can watch, and one that fails.
  const queries = [
    { queryType: 'divergence_state' },
    { queryType: 'divergence', symbol: 'BTC', width: '15m', value: 'signal' },
    { queryType: 'candles', symbol: 'BTC', width: '1h', value: 'close' },
    { queryType: 'mood', symbol: 'BTC', width: '1h', who: 'all' },
    { queryType: 'mood_price', symbol: 'BTC', width: '1h' },
    { queryType: 'terms', symbol: 'BTC' },
    { queryType: 'feed_health' },
    { queryType: 'scorer_health', value: 'behind_seconds' },
    { queryType: 'mood', symbol: 'NOSUCH' },
  ];
  const rules = queries.map((query, i) => ({
    uid: `${folder}-${i}`,
    title: `${i} ${query.queryType}`,
    ruleGroup: 'e2e',
    folderUID: folder,
    orgID: 1,
    condition: 'fires',
    for: '0s',
    noDataState: 'OK',
    execErrState: 'Error',
    data: [
      { refId: 'A', datasourceUid: 'rcas-market', relativeTimeRange: { from: 86_400, to: 0 }, model: { refId: 'A', intervalMs: 60_000, ...query } },
      { refId: 'last', datasourceUid: '__expr__', relativeTimeRange: { from: 0, to: 0 }, model: { refId: 'last', type: 'reduce', reducer: 'last', expression: 'A', settings: { mode: 'dropNN' } } },
      {
        refId: 'fires',
        datasourceUid: '__expr__',
        relativeTimeRange: { from: 0, to: 0 },
        model: { refId: 'fires', type: 'threshold', expression: ofTable(query.queryType) ? 'A' : 'last', conditions: [{ evaluator: { type: 'gt', params: [1e15] } }] },
      },
    ].filter((part) => part.refId !== 'last' || !ofTable(query.queryType)),
  }));
  try {
    for (const rule of rules) {
      const answer = await context.request.post('/api/v1/provisioning/alert-rules', { headers, data: rule });
      expect(`${rule.title}: ${answer.status()} ${answer.ok() ? '' : await answer.text()}`.trim()).toBe(`${rule.title}: 201`);
    }
    const health = async (): Promise<string[]> => {
      const answer = await (await context.request.get('/api/prometheus/grafana/api/v1/rules', { headers, params: { folder_uid: folder } })).json();
      return answer.data.groups.flatMap((g: { rules: { name: string; health: string; lastEvaluation: string }[] }) => g.rules.map((r) => `${r.name}: ${r.lastEvaluation.startsWith('0001') ? 'unknown' : r.health}`));
    };
    let found: string[] = [];
    for (const until = Date.now() + 150_000; Date.now() < until; await new Promise((r) => setTimeout(r, 2000))) {
      found = await health();
      if (found.length === rules.length && found.every((r) => !r.endsWith('unknown'))) {
        break;
      }
    }
    expect(found.sort()).toEqual(rules.map((r, i) => `${r.title}: ${i === rules.length - 1 ? 'error' : 'ok'}`).sort());
  } finally {
    await context.request.delete(`/api/folders/${folder}?forceDeleteRules=true`, { headers });
  }
});

it('has data sources that are well', async () => {
  for (const uid of ['rcas-market', 'rcas-postgres']) {
    const answer = await (await context.request.get(`/api/datasources/uid/${uid}/health`)).json();
    expect(`${uid}: ${answer.status} ${answer.status === 'OK' ? '' : answer.message}`.trim()).toBe(`${uid}: OK`);
  }
});
