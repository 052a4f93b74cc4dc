import { FieldColorModeId, FieldConfigProperty, FieldType, PanelPlugin } from '@grafana/data';
import { Options } from './types';
import { WordCloudPanel } from './WordCloudPanel';

export const plugin = new PanelPlugin<Options>(WordCloudPanel)
  .useFieldConfig({
    standardOptions: { [FieldConfigProperty.Color]: { defaultValue: { mode: FieldColorModeId.Fixed, fixedColor: 'blue' } } },
  })
  .setPanelOptions((builder) =>
    builder
      .addFieldNamePicker({ path: 'termField', name: 'Words', description: 'Column of text; the first by default', defaultValue: '', settings: { filter: (f) => f.type === FieldType.string } })
      .addFieldNamePicker({ path: 'sizeField', name: 'Size', description: 'Column of numbers; the first by default', defaultValue: '', settings: { filter: (f) => f.type === FieldType.number } })
      .addRadio({
        path: 'scale',
        name: 'Scale',
        defaultValue: 'sqrt',
        settings: { options: [{ value: 'linear', label: 'Linear' }, { value: 'sqrt', label: 'Square root' }, { value: 'log', label: 'Logarithm' }] },
      })
      .addSliderInput({ path: 'minSize', name: 'Smallest font', defaultValue: 12, settings: { min: 8, max: 40 } })
      .addSliderInput({ path: 'maxSize', name: 'Largest font', defaultValue: 64, settings: { min: 16, max: 160 } })
  );
