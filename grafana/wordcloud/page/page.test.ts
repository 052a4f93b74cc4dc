/** @jest-environment node */
import { mkdtempSync, rmSync, writeFileSync } from 'fs';
import { tmpdir } from 'os';
import path from 'path';
import { pathToFileURL } from 'url';
import { Browser } from 'playwright-core';
import { startBrowser } from '../../browser';

interface Shape {
  text: string;
  x: number;
  y: number;
  width: number;
  height: number;
  size: number;
}

let browser: Browser;
beforeAll(async () => {
  browser = await startBrowser();
}, 180_000);
afterAll(() => browser?.close());

/** Draws the page and returns what it measured there. */
async function draw(parameters: string): Promise<Shape[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'rcas-page-'));
  const tab = await browser.newPage();
  try {
    const page = path.join(folder, 'page.html');
    writeFileSync(page, `<!doctype html><body style="margin:0"><div id="root"></div><script src="${pathToFileURL(path.resolve(__dirname, '../../dist/page/page.js'))}"></script>`);
    await tab.goto(`${pathToFileURL(page)}#${parameters}`);
    return JSON.parse((await tab.locator('#report').textContent()) ?? '');
  } finally {
    await tab.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

describe('the word cloud in a real browser', () => {
  it('draws every word, inside the panel, the larger the larger', async () => {
    const shapes = await draw('count=50&width=800&height=400');
    expect(shapes).toHaveLength(50);
    for (const s of shapes) {
      expect(s.x).toBeGreaterThanOrEqual(-1);
      expect(s.y).toBeGreaterThanOrEqual(-s.height / 2);
      expect(s.x + s.width).toBeLessThanOrEqual(801);
      expect(s.y + s.height).toBeLessThanOrEqual(400 + s.height / 2);
    }
    expect(shapes[0].size).toBeGreaterThan(2 * shapes[49].size);
    expect(overlaps(shapes)).toEqual([]);
    expect(await draw('count=50&width=800&height=400')).toEqual(shapes);
  }, 60_000);

  it('makes the best of a small panel and many words', async () => {
    const shapes = await draw('count=300&width=300&height=150');
    expect(shapes.length).toBeGreaterThan(20);
    expect(overlaps(shapes)).toEqual([]);
  }, 60_000);
});

/** Words whose letters' middles lie in one another. Boxes of text may touch: ascenders and descenders leave room. */
function overlaps(shapes: Shape[]): string[] {
  const core = (s: Shape) => ({ left: s.x + 2, right: s.x + s.width - 2, top: s.y + 0.45 * s.height, bottom: s.y + 0.65 * s.height });
  const found: string[] = [];
  shapes.forEach((a, i) =>
    shapes.slice(0, i).forEach((b) => {
      const [p, q] = [core(a), core(b)];
      if (p.left < q.right && q.left < p.right && p.top < q.bottom && q.top < p.bottom) {
        found.push(`${a.text} and ${b.text}`);
      }
    })
  );
  return found;
}
