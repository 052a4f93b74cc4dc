// Icons are loaded over the network, which there is none of in these tests.
module.exports = { __esModule: true, default: () => null, cacheStore: {} };
