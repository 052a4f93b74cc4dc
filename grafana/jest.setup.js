// What Grafana's components expect of a browser and jsdom lacks.
const { TextDecoder, TextEncoder } = require('util');
const { ReadableStream, TransformStream, WritableStream } = require('stream/web');

Object.assign(global, { TextDecoder, TextEncoder, ReadableStream, TransformStream, WritableStream });
global.matchMedia ??= () => ({ matches: false, addListener() {}, removeListener() {}, addEventListener() {}, removeEventListener() {} });
global.ResizeObserver ??= class { observe() {} unobserve() {} disconnect() {} };
global.IntersectionObserver ??= class { observe() {} unobserve() {} disconnect() {} };
if (global.HTMLCanvasElement) {
  global.HTMLCanvasElement.prototype.getContext = () => ({ measureText: (text) => ({ width: 8 * text.length }) });
}
