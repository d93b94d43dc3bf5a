import { testUploads } from './upload-file-suite.ts';

await testUploads(true);
