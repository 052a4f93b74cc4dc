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
  panels: { title: string }[];
}

const dashboards = readdirSync(path.join(root, 'dashboards'))
  .filter((name) => name.endsWith('.json'))
  .map((name): Dashboard => JSON.parse(readFileSync(path.join(root, 'dashboards', name), 'utf8')));

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

it('has data sources that are well', async () => {
  for (const uid of ['rcas-market', 'rcas-postgres']) {
    const answer = await (await context.request.get(`/api/datasources/uid/${uid}/health`)).json();
    expect(`${uid}: ${answer.status} ${answer.status === 'OK' ? '' : answer.message}`.trim()).toBe(`${uid}: OK`);
  }
});
