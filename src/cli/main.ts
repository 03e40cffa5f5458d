#!/usr/bin/env node
import { processIo } from './process-io.ts';
import { main } from './run.ts';

const io = processIo();
// The exit code is set, not forced: a pipe that reads slowly still gets everything.
process.exitCode = await main(process.argv.slice(2), io);
