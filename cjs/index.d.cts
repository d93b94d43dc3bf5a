/**
 * The types of `require('sluice')`. Under "module": "node16" a CommonJS file
 * may take types from an ES module, but not values: those are named here.
 */
import type * as library from '../dist/src/index.js' with { 'resolution-mode': 'import' };

export type * from '../dist/src/index.js' with { 'resolution-mode': 'import' };
export declare const addSluice: typeof library.addSluice;
export declare const ERROR_CODES: typeof library.ERROR_CODES;
export declare const loadConfig: typeof library.loadConfig;
export declare const parseName: typeof library.parseName;
export declare const SluiceClient: typeof library.SluiceClient;
export type SluiceClient = library.SluiceClient;
export declare const SluiceServer: typeof library.SluiceServer;
export type SluiceServer = library.SluiceServer;
export declare const silentLogger: typeof library.silentLogger;
export declare const sluiceServerOptions: typeof library.sluiceServerOptions;
export declare const TransferError: typeof library.TransferError;
export type TransferError = library.TransferError;
