// Packages that ship as ECMAScript modules only have to be translated, or Jest can't read them.
const translated = ['d3', 'd3-.*', 'internmap', 'delaunator', 'robust-predicates', 'marked', 'ol', 'rbush', 'quickselect', 'color-.*', 'uuid', 'react-calendar',
  'get-user-locale', 'memoize', 'mimic-function', '@wojtekmaj', '@grafana/react-data-grid', 'react-data-grid', 'nanoid'];

const transform = {
  '^.+\\.m?[tj]sx?$': ['@swc/jest', { sourceMaps: 'inline', jsc: { target: 'es2022', parser: { syntax: 'typescript', tsx: true }, transform: { react: { runtime: 'automatic' } } } }],
};

module.exports = {
  testEnvironment: 'jsdom',
  testMatch: ['<rootDir>/{datasource,wordcloud}/**/*.test.{ts,tsx}', '<rootDir>/bundles.test.ts'],
  setupFiles: ['<rootDir>/jest.setup.js'],
  moduleNameMapper: {
    '\\.(css|scss|sass|svg)$': '<rootDir>/jest.empty.js',
    '^monaco-editor.*$': '<rootDir>/jest.empty.js',
    '^react-inlinesvg$': '<rootDir>/jest.icon.js',
  },
  transform,
  transformIgnorePatterns: [`node_modules/(?!(${translated.join('|')})/)`],
};
