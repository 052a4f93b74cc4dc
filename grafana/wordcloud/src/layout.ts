import cloud from 'd3-cloud';

export interface Word {
  text: string;
  value: number;
  color: string;
  /** What to show on hover, e.g. the value with its unit. */
  title: string;
  href?: string;
}

export interface Placed extends Word {
  x: number;
  y: number;
  size: number;
}

export interface Area {
  width: number;
  height: number;
  minSize: number;
  maxSize: number;
  scale: Scale;
  font: string;
}

export type Scale = 'linear' | 'sqrt' | 'log';

/** Font sizes for values: the smallest gets minSize, the largest maxSize. Values that can't be drawn (none, zero and less) get none. */
export function sizes(values: number[], { minSize, maxSize, scale }: Pick<Area, 'minSize' | 'maxSize' | 'scale'>): number[] {
  const bend = { linear: (v: number) => v, sqrt: Math.sqrt, log: Math.log }[scale];
  const bent = values.map((v) => (Number.isFinite(v) && v > 0 ? bend(v) : NaN));
  const known = bent.filter((v) => !Number.isNaN(v));
  const low = known.reduce((a, b) => Math.min(a, b), Infinity);
  const high = known.reduce((a, b) => Math.max(a, b), -Infinity);
  return bent.map((v) => (Number.isNaN(v) ? 0 : high === low ? (minSize + maxSize) / 2 : minSize + ((maxSize - minSize) * (v - low)) / (high - low)));
}

/** Pseudo-random numbers by Lehmer's generator: the same words always lie in the same places. */
export function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 48271) % 2147483647;
    return state / 2147483647;
  };
}

/** Places words without overlap, the largest first. Where some do not fit, the whole shrinks until they do, but not below a half: then those that lie outside are left out. Returns a function that gives up. */
export function place(words: Word[], area: Area, done: (placed: Placed[]) => void): () => void {
  let stopped = false;
  let running: { stop: () => unknown } | undefined;
  const attempt = (shrink: number) => {
    const size = sizes(words.map((w) => w.value), area);
    const drawn = words
      .map((w, i) => ({ ...w, size: Math.max(6, size[i] * shrink), drawable: size[i] > 0 }))
      .filter((w) => w.drawable)
      .sort((a, b) => b.size - a.size || (a.text < b.text ? -1 : 1));
    const layout = cloud<(typeof drawn)[number] & { x?: number; y?: number }>()
      .size([area.width, area.height])
      .words(drawn)
      .font(area.font)
      .fontSize((w) => w.size)
      .padding(4)
      .rotate(0)
      .random(dice(7))
      .on('end', (placed) => {
        if (stopped) {
          return;
        }
        if (placed.length < drawn.length && shrink > 0.5) {
          attempt(shrink * 0.85);
          return;
        }
        done(placed.map(({ text, value, color, title, href, x, y, size }) => ({ text, value, color, title, href, size, x: x ?? 0, y: y ?? 0 })));
      });
    running = layout;
    layout.start();
  };
  attempt(1);
  return () => {
    stopped = true;
    running?.stop();
  };
}
