/**
 * The types of `require('sluice/client')`. Under "module": "node16" a CommonJS file
 * may take types from an ES module, but not values: those are named here.
 */
import type * as library from '../dist/src/client-library.js' with { 'resolution-mode': 'import' };

export type * from '../dist/src/client-library.js' with { 'resolution-mode': 'import' };
export declare const ERROR_CODES: typeof library.ERROR_CODES;
export declare const SluiceClient: typeof library.SluiceClient;
export type SluiceClient = library.SluiceClient;
export declare const silentLogger: typeof library.silentLogger;
export declare const TransferError: typeof library.TransferError;
export type TransferError = library.TransferError;
