import { DataFrame, Field, FieldType, formattedValueToString, getFieldColorModeForField, getFieldDisplayName, GrafanaTheme2 } from '@grafana/data';
import { Word } from './layout';
import { Options } from './types';

/** At most so many words are drawn; more would be dust. */
const most = 500;

/** The words of the first frame that has a column of text and a column of numbers; a word in several rows is drawn once. */
export function wordsOf(frames: DataFrame[], { termField, sizeField }: Options, theme: GrafanaTheme2): Word[] | undefined {
  for (const frame of frames) {
    const find = (name: string, type: FieldType) =>
      frame.fields.find((f) => f.type === type && (!name || getFieldDisplayName(f, frame, frames) === name || f.name === name));
    const term = find(termField, FieldType.string);
    const size = find(sizeField, FieldType.number);
    if (term && size) {
      return gather(term, size, theme);
    }
  }
  return undefined;
}

function gather(term: Field, size: Field, theme: GrafanaTheme2): Word[] {
  const words = new Map<string, Word>();
  const seriesColor = getFieldColorModeForField(size).isByValue ? undefined : size.display?.(1).color;
  term.values.forEach((text: string | null, row: number) => {
    const value = Number(size.values[row] ?? NaN);
    if (!text || !Number.isFinite(value) || value <= 0) {
      return;
    }
    const shown = size.display?.(value);
    words.set(text, {
      text,
      value: value + (words.get(text)?.value ?? 0),
      color: seriesColor ?? shown?.color ?? theme.colors.text.primary,
      title: `${text}: ${shown ? formattedValueToString(shown) : value}`,
      href: term.getLinks?.({ valueRowIndex: row })[0]?.href,
    });
  });
  return [...words.values()].sort((a, b) => b.value - a.value).slice(0, most);
}
