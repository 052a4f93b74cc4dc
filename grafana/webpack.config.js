// Builds both plugins into dist/<plugin id>/, the folders that Grafana takes. What Grafana itself provides (React, its own packages, …)
// stays outside the bundles.
const path = require('path');
const CopyWebpackPlugin = require('copy-webpack-plugin');

const provided = [
  'lodash', 'jquery', 'moment', 'slate', 'emotion', '@emotion/react', '@emotion/css', 'prismjs', 'slate-plain-serializer', '@grafana/slate-react',
  'react', 'react-dom', 'react-redux', 'redux', 'rxjs', 'react-router', 'react-router-dom', 'd3', 'angular', '@grafana/ui', '@grafana/runtime',
  '@grafana/data', '@grafana/schema', 'i18next', 'react/jsx-runtime',
];

const common = (mode) => ({
  mode,
  target: ['web', 'es2021'],
  devtool: mode === 'production' ? 'source-map' : 'eval-source-map',
  performance: { maxAssetSize: 200_000, hints: 'error' },
  resolve: { extensions: ['.ts', '.tsx', '.js'] },
  module: {
    rules: [
      {
        test: /\.tsx?$/,
        exclude: /node_modules/,
        loader: 'swc-loader',
        options: { jsc: { target: 'es2021', parser: { syntax: 'typescript', tsx: true }, transform: { react: { runtime: 'automatic' } } } },
      },
    ],
  },
});

/** A plugin: the AMD module that Grafana loads, beside its plugin.json and pictures. */
function plugin(mode, folder) {
  const source = path.resolve(__dirname, folder, 'src');
  const { id } = require(path.join(source, 'plugin.json'));
  return {
    ...common(mode),
    name: id,
    entry: { module: path.join(source, 'module.ts') },
    externals: provided,
    output: {
      path: path.resolve(__dirname, 'dist', id),
      filename: '[name].js',
      library: { type: 'amd' },
      publicPath: `public/plugins/${id}/`,
      uniqueName: id,
    },
    plugins: [
      new CopyWebpackPlugin({
        patterns: [
          { from: path.join(source, 'plugin.json'), to: '.' },
          { from: path.join(source, 'img'), to: 'img' },
          { from: path.join(source, 'README.md'), to: '.' },
          { from: path.resolve(__dirname, '../LICENSE'), to: 'LICENSE', toType: 'file' },
        ],
      }),
    ],
  };
}

/** A page that draws the word cloud without Grafana, for the test in a real browser. */
function page(mode) {
  return {
    ...common(mode),
    name: 'page',
    devtool: false,
    performance: false,
    entry: { page: path.resolve(__dirname, 'wordcloud/page/page.tsx') },
    output: { path: path.resolve(__dirname, 'dist/page'), filename: '[name].js' },
  };
}

module.exports = (_, { mode = 'production' }) => [plugin(mode, 'datasource'), plugin(mode, 'wordcloud'), page(mode)];
