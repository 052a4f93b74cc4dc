import { createRoot } from 'react-dom/client';
import { Cloud } from '../src/Cloud';
import { dice, Word } from '../src/layout';

/** Words for the test in a real browser: drawn, measured, and what was measured written into the page as JSON. */
const parameters = new URLSearchParams(window.location.hash.slice(1));
const count = Number(parameters.get('count') ?? 50);
const width = Number(parameters.get('width') ?? 800);
const height = Number(parameters.get('height') ?? 400);
const random = dice(42);
const syllables = ['moon', 'dip', 'etf', 'gas', 'hodl', 'stake', 'pump', 'bear', 'ring', 'hash'];
const words: Word[] = Array.from({ length: count }, (_, i) => ({
  text: `${syllables[i % 10]}${syllables[Math.floor(random() * 10)]}${i}`,
  value: Math.ceil(1000 / (i + 1)),
  color: '#3274d9',
  title: `word ${i}`,
}));

const root = document.getElementById('root') as HTMLElement;
createRoot(root).render(<Cloud words={words} width={width} height={height} minSize={10} maxSize={60} scale="sqrt" font="sans-serif" />);

const measure = () => {
  const shapes = [...document.querySelectorAll('svg text')];
  if (shapes.length === 0) {
    setTimeout(measure, 20);
    return;
  }
  const report = document.createElement('pre');
  report.id = 'report';
  report.textContent = JSON.stringify(
    shapes.map((shape) => {
      const { x, y, width, height } = shape.getBoundingClientRect();
      return { text: shape.lastChild?.textContent, x, y, width, height, size: Number(shape.getAttribute('font-size')) };
    })
  );
  document.body.append(report);
};
measure();
