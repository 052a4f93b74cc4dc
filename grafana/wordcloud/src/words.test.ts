import { createTheme, DataFrame, FieldColorModeId, FieldType, getDisplayProcessor, toDataFrame } from '@grafana/data';
import { plugin } from './module';
import { sizes } from './layout';
import { Options } from './types';
import { wordsOf } from './words';

const theme = createTheme();
const options: Options = { termField: '', sizeField: '', scale: 'sqrt', minSize: 10, maxSize: 50 };

function frame(words: unknown[], numbers: unknown[]): DataFrame {
  const f = toDataFrame({
    fields: [
      { name: 'term', type: FieldType.string, values: words },
      { name: 'posts', type: FieldType.number, values: numbers, config: { unit: 'short', color: { mode: FieldColorModeId.Fixed, fixedColor: '#123456' } } },
    ],
  });
  f.fields[1].display = getDisplayProcessor({ field: f.fields[1], theme });
  return f;
}

describe('words', () => {
  it('are read with their numbers, colour and unit', () => {
    expect(wordsOf([frame(['moon', 'dip'], [1500, 20])], options, theme)).toEqual([
      { text: 'moon', value: 1500, color: '#123456', title: 'moon: 1.50 K', href: undefined },
      { text: 'dip', value: 20, color: '#123456', title: 'dip: 20', href: undefined },
    ]);
  });

  it('that make no sense are left out, and repeats are added up', () => {
    const words = wordsOf([frame(['a', null, '', 'b', 'c', 'd', 'a'], [1, 5, 5, null, -2, 0, 2])], options, theme);
    expect(words?.map(({ text, value }) => [text, value])).toEqual([['a', 3]]);
  });

  it('are at most five hundred', () => {
    const many = Array.from({ length: 2000 }, (_, i) => i + 1);
    const words = wordsOf([frame(many.map((i) => `w${i}`), many)], options, theme);
    expect(words).toHaveLength(500);
    expect(words?.[0].text).toBe('w2000');
  });

  it('need a column of text and one of numbers', () => {
    expect(wordsOf([], options, theme)).toBeUndefined();
    expect(wordsOf([toDataFrame({ fields: [{ name: 'n', type: FieldType.number, values: [1] }] })], options, theme)).toBeUndefined();
    expect(wordsOf([frame(['a'], [1])], { ...options, termField: 'other' }, theme)).toBeUndefined();
    expect(wordsOf([frame(['a'], [1])], { ...options, termField: 'term', sizeField: 'posts' }, theme)).toHaveLength(1);
  });
});

describe('sizes', () => {
  const area = { minSize: 10, maxSize: 50, scale: 'linear' as const };

  it('run from the smallest to the largest font', () => {
    expect(sizes([1, 3, 2], area)).toEqual([10, 50, 30]);
    expect(sizes([1, 9, 4], { ...area, scale: 'sqrt' })).toEqual([10, 50, 30]);
    expect(sizes([1, 100, 10], { ...area, scale: 'log' })).toEqual([10, 50, 30]);
  });

  it('are in the middle where all are alike, and none where there is no number', () => {
    expect(sizes([7, 7], area)).toEqual([30, 30]);
    expect(sizes([NaN, 0, -1, Infinity, 5], area)).toEqual([0, 0, 0, 0, 30]);
    expect(sizes([], area)).toEqual([]);
  });
});

it('the panel offers its options', () => {
  expect(plugin.panel).toBeDefined();
});
