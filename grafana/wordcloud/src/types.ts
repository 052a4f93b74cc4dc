import { Scale } from './layout';

export interface Options {
  /** Column of words; empty: the first of text. */
  termField: string;
  /** Column of numbers; empty: the first of numbers. */
  sizeField: string;
  scale: Scale;
  /** Font sizes in pixels. */
  minSize: number;
  maxSize: number;
}
