import { PanelProps } from '@grafana/data';
import { PanelDataErrorView } from '@grafana/runtime';
import { useTheme2 } from '@grafana/ui';
import { Cloud } from './Cloud';
import { Options } from './types';
import { wordsOf } from './words';

export function WordCloudPanel({ id, data, options, width, height, fieldConfig }: PanelProps<Options>) {
  const theme = useTheme2();
  const words = wordsOf(data.series, options, theme);
  if (!words || words.length === 0) {
    return <PanelDataErrorView panelId={id} fieldConfig={fieldConfig} data={data} needsStringField needsNumberField />;
  }
  const { scale, minSize, maxSize } = options;
  return <Cloud words={words} width={width} height={height} scale={scale} minSize={minSize} maxSize={maxSize} font={theme.typography.fontFamily} />;
}
