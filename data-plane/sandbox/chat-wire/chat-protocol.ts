import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '#shared/clock.ts';
import { composeTurn } from '../compose-turn.ts';
import { type Directive, readDirective } from '../directives.ts';
import { type Pace, type PaceSettings, startPace } from '../pace.ts';
import type { PromptCache } from '../prompt-cache.ts';
import { lastUserText, type Turn } from '../turn.ts';
import {
  encodeChatError,
  isWireError,
  requestedError,
  STREAM_FAILURE,
  type WireError,
} from './chat-error.ts';
import { type ChatEnvelope, encodeChatBody, encodeChatEvents, newEnvelope } from './encode-chat-answer.ts';
import { type ChatWriting, readChatRequest } from './read-chat-request.ts';

export interface SandboxParts {
  readonly clock: Clock;
  readonly pace: PaceSettings;
  readonly promptCache: PromptCache;
}

/** Answers one `POST /chat/completions`. Rejects with an AbortError when the client has gone. */
export async function answerChat(
  body: unknown,
  response: ServerResponse,
  gone: AbortSignal,
  parts: SandboxParts,
): Promise<void> {
  const request = readChatRequest(body);
  if (isWireError(request)) return sendChatError(response, request);
  const pace = startPace(parts.pace, parts.clock);
  const directive = readDirective(lastUserText(request.turn));
  if (directive?.kind === 'error') return sendChatError(response, requestedError(directive.status));
  if (directive?.kind === 'wait') await sleep(directive.waitMs, undefined, { signal: gone });
  const turn = composeTurn(request.turn, parts.promptCache);
  const envelope = newEnvelope(request.turn.model, parts.clock.nowMs());
  const failure = directive?.kind === 'failure' ? directive.mode : undefined;
  await pace.waitForFirstToken(gone);
  if (request.writing.stream)
    await writeStream({ response, turn, envelope, writing: request.writing, pace, gone, failure });
  else await writeBody({ response, turn, envelope, writing: request.writing, pace, gone, failure });
}

export function sendChatError(response: ServerResponse, error: WireError): void {
  response.writeHead(error.status, {
    'content-type': 'application/json',
    ...(error.status === 429 || error.status === 503 ? { 'retry-after': '1' } : {}),
  });
  response.end(encodeChatError(error));
}

type FailureMode = Extract<Directive, { kind: 'failure' }>['mode'];

interface Writing {
  readonly response: ServerResponse;
  readonly turn: Turn;
  readonly envelope: ChatEnvelope;
  readonly writing: ChatWriting;
  readonly pace: Pace;
  readonly gone: AbortSignal;
  readonly failure: FailureMode | undefined;
}

async function writeBody({ response, turn, envelope, writing, pace, gone, failure }: Writing): Promise<void> {
  const slowest = turn.usage.outputTokens / Math.max(1, turn.answers.length);
  await pace.waitForTokens(slowest, gone);
  const body = encodeChatBody(turn, envelope, writing);
  if (failure === 'stream') return sendChatError(response, STREAM_FAILURE);
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  if (failure === undefined) response.end(body);
  else if (failure === 'garbage') response.end(body.replaceAll('"', "'"));
  else breakOff(response, body.slice(0, body.length / 2), failure);
}

async function writeStream({
  response,
  turn,
  envelope,
  writing,
  pace,
  gone,
  failure,
}: Writing): Promise<void> {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
  });
  const middle = Math.floor(turn.usage.outputTokens / Math.max(1, turn.answers.length) / 2);
  for (const event of encodeChatEvents(turn, envelope, writing)) {
    await pace.waitForTokens(turn.usage.reasoningTokens / turn.answers.length + event.tokensSoFar, gone);
    if (failure !== undefined && event.tokensSoFar >= middle) {
      if (failure === 'reset' || failure === 'stall') return breakOff(response, '', failure);
      response.write(
        `data: ${failure === 'garbage' ? '{"id":"chatcmpl-' : encodeChatError(STREAM_FAILURE)}\n\n`,
      );
      break;
    }
    if (!response.write(`data: ${event.data}\n\n`)) await once(response, 'drain', { signal: gone });
  }
  response.end('data: [DONE]\n\n');
}

/** Leaves an answer half way: with a broken connection, or with one that stays open and silent. */
function breakOff(response: ServerResponse, sent: string, failure: FailureMode): void {
  if (failure === 'reset') response.write(sent, () => response.socket?.resetAndDestroy());
  else response.write(sent);
}
