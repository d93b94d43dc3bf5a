/** The same module for `require`, so that TypeScript knows it as CommonJS. */
module.exports = require('../dist/src/client-library.js');
