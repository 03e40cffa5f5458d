import { workerData } from 'node:worker_threads';
import { fillStock, type Shared } from './namespace-stock.ts';

/** The second thread of namespace-stock.ts: an entry of its own, which the build puts beside the others. */
fillStock(workerData as Shared);
