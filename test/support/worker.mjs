// The entry of worker threads in tests: makes TypeScript importable there, then runs what it is told.
import { workerData } from 'node:worker_threads';
import { register } from 'tsx/esm/api';

register();
await import(workerData.file);
