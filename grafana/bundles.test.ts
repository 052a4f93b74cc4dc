/** @jest-environment node */
import { existsSync, readFileSync } from 'fs';
import path from 'path';

const dist = path.join(__dirname, 'dist');

/**
 * What React 19, which Grafana has from 13.2 on, took away or renamed: a bundle with one of these breaks there.
 * https://react.dev/blog/2024/04/25/react-19-upgrade-guide, and the migration guide of Grafana 13.
 */
const gone = [
  '__SECRET_INTERNALS_DO_NOT_USE_OR_YOU_WILL_BE_FIRED', 'ReactCurrentOwner', 'findDOMNode', 'unmountComponentAtNode', 'createFactory', 'contextTypes',
  'getChildContext', 'defaultProps', 'propTypes', 'react-dom/test-utils', 'react-test-renderer',
];

describe.each(['rcas-market-datasource', 'rcas-wordcloud-panel'])('%s runs on React 18 and 19', (id) => {
  const file = path.join(dist, id, 'module.js');
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';

  it('is built', () => expect(text).toMatch(/^define\(/));

  it.each(gone)('does without %s', (name) => expect(text).not.toContain(name));

  it('takes React and its JSX runtime from Grafana', () => {
    expect(text).toMatch(/^define\(\[[^\]]*"react\/jsx-runtime"/);
    expect(text).not.toMatch(/Symbol\.for\("react\.(transitional\.)?element"\)/); // what marks an element is React's own affair
  });

  it('says from which Grafana on it runs', () => {
    const { dependencies } = JSON.parse(readFileSync(path.join(dist, id, 'plugin.json'), 'utf8'));
    expect(dependencies.grafanaDependency).toBe('>=12.3.0');
  });
});
