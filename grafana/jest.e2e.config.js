// Tests against a running Grafana: GRAFANA_URL=http://127.0.0.1:3000 npm run e2e
const { transform } = require('./jest.config');

module.exports = { testEnvironment: 'node', testMatch: ['<rootDir>/e2e/*.test.ts'], transform, testTimeout: 180_000 };
