import { type MessagePort, workerData } from 'node:worker_threads';
import '../../kinds/registry.ts';
import { messagesSent } from '../../system/run.ts';
import { addUntilFailure } from './namespace-team.ts';
import { performParts } from './perform.ts';
import { readPart } from './read.ts';
import type { Answer, Answers, Question } from './thread-work.ts';

/** The second thread, which second-thread.ts starts: an entry of its own, which the build puts beside the others. */
const port = workerData as MessagePort;
let sent = 0;

async function answerTo({ kind, question }: Question): Promise<Answers[keyof Answers]> {
  if (kind === 'addNamespaces') return addUntilFailure(question);
  return kind === 'perform' ? performParts(question) : readPart(question.names, question.request);
}

port.on('message', async (question: Question) => {
  const answer = await answerTo(question);
  const reply: Answer = { answer, messages: messagesSent - sent };
  sent = messagesSent;
  port.postMessage(reply);
});
