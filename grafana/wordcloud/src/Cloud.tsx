import { useEffect, useState } from 'react';
import { Area, Placed, place, Word } from './layout';

interface Props extends Area {
  words: Word[];
}

/** The drawing itself; it knows nothing of Grafana. */
export function Cloud({ words, width, height, minSize, maxSize, scale, font }: Props) {
  const [placed, setPlaced] = useState<Placed[]>([]);
  const key = JSON.stringify(words);
  useEffect(() => place(JSON.parse(key), { width, height, minSize, maxSize, scale, font }, setPlaced), [key, width, height, minSize, maxSize, scale, font]);
  return (
    <svg width={width} height={height} role="img" aria-label={`Word cloud of ${placed.length} words`}>
      <g transform={`translate(${width / 2},${height / 2})`}>
        {placed.map((w) => (
          <WordShape key={w.text} word={w} font={font} />
        ))}
      </g>
    </svg>
  );
}

function WordShape({ word, font }: { word: Placed; font: string }) {
  const text = (
    <text textAnchor="middle" transform={`translate(${word.x},${word.y})`} fontSize={word.size} fontFamily={font} fill={word.color}>
      <title>{word.title}</title>
      {word.text}
    </text>
  );
  return word.href ? <a href={word.href}>{text}</a> : text;
}
