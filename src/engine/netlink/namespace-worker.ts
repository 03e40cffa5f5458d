import { parentPort, workerData } from 'node:worker_threads';
import { addShare, type Share } from './namespace-team.ts';

/** The second thread of namespace-team.ts: an entry of its own, which the build puts beside the others. */
parentPort?.postMessage(addShare(workerData as Share));
