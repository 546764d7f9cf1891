// The entry of worker threads in tests. It makes TypeScript importable there, then imports the given module.
import { workerData } from 'node:worker_threads';
import { register } from 'tsx/esm/api';

register();
await import(workerData.file);
