import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Clock } from '#shared/clock.ts';
import { composeTurn } from './compose-turn.ts';
import { type Directive, readDirective } from './directives.ts';
import { withoutHarnessNotes } from './harness-notes.ts';
import { type Pace, type PaceSettings, startPace } from './pace.ts';
import type { PromptCache } from './prompt-cache.ts';
import { countPrompt } from './prompt-tokens.ts';
import { lastUserText, reasoningPerAnswer, type Turn } from './turn.ts';
import { isWireError, requestedError, STREAM_FAILURE, type WireError } from './wire-error.ts';
import { type GenerationRequest, type RequestTarget, sseFrame, type WireProtocol } from './wire-protocol.ts';

export interface SandboxParts {
  readonly clock: Clock;
  readonly pace: PaceSettings;
  readonly promptCache: PromptCache;
}

export interface Exchange {
  readonly protocol: WireProtocol;
  readonly target: RequestTarget;
  readonly response: ServerResponse;
  readonly gone: AbortSignal;
}

/** Answers one request with a parsed body. Rejects with an AbortError when the client has gone. */
export async function answerRequest(body: unknown, exchange: Exchange, parts: SandboxParts): Promise<void> {
  const { protocol, response, gone } = exchange;
  const request = protocol.read(body, exchange.target);
  if (isWireError(request)) return sendWireError(response, protocol, request);
  const directive = readDirective(lastUserText(withoutHarnessNotes(request.turn)));
  if (directive?.kind === 'error') return sendWireError(response, protocol, requestedError(directive.status));
  if (request.kind === 'count')
    return sendJsonText(response, request.encodeCount(countPrompt(request.turn).tokens));
  const pace = startPace(parts.pace, parts.clock);
  if (directive?.kind === 'wait') await sleep(directive.waitMs, undefined, { signal: gone });
  const turn = composeTurn(request.turn, parts.promptCache);
  const failure = directive?.kind === 'failure' ? directive.mode : undefined;
  await pace.waitForFirstToken(gone);
  const writing = { ...exchange, request, turn, pace, failure, nowMs: parts.clock.nowMs() };
  await (request.stream ? writeStream(writing) : writeBody(writing));
}

export function sendWireError(response: ServerResponse, protocol: WireProtocol, error: WireError): void {
  response.writeHead(error.status, {
    'content-type': 'application/json',
    ...(error.status === 429 || error.status === 503 ? { 'retry-after': '1' } : {}),
  });
  response.end(protocol.encodeError(error));
}

function sendJsonText(response: ServerResponse, body: string): void {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

type FailureMode = Extract<Directive, { kind: 'failure' }>['mode'];

interface Writing extends Exchange {
  readonly request: GenerationRequest;
  readonly turn: Turn;
  readonly pace: Pace;
  readonly failure: FailureMode | undefined;
  readonly nowMs: number;
}

async function writeBody({ protocol, response, gone, ...writing }: Writing): Promise<void> {
  const { turn, failure } = writing;
  const slowest = turn.usage.outputTokens / Math.max(1, turn.answers.length);
  await writing.pace.waitForTokens(slowest, gone);
  const body = writing.request.encodeBody(turn, writing.nowMs);
  if (failure === 'stream') return sendWireError(response, protocol, STREAM_FAILURE);
  if (failure === undefined) return sendJsonText(response, body);
  if (failure === 'garbage') return sendJsonText(response, body.replaceAll('"', "'"));
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  breakOff(response, body.slice(0, body.length / 2), failure);
}

async function writeStream({ protocol, response, gone, ...writing }: Writing): Promise<void> {
  const { turn, failure } = writing;
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache',
  });
  const hidden = reasoningPerAnswer(turn);
  const middle =
    hidden + Math.floor((turn.usage.outputTokens / Math.max(1, turn.answers.length) - hidden) / 2);
  let eventsSent = 0;
  for (const event of writing.request.encodeEvents(turn, writing.nowMs)) {
    await writing.pace.waitForTokens(event.tokensSoFar, gone);
    if (failure !== undefined && event.tokensSoFar >= middle) {
      if (failure === 'reset' || failure === 'stall') return breakOff(response, '', failure);
      response.write(
        failure === 'garbage'
          ? sseFrame('{"id":"chatcmpl-')
          : (writing.request.encodeFailure?.(STREAM_FAILURE, writing.nowMs, eventsSent) ??
              protocol.encodeErrorFrame(STREAM_FAILURE)),
      );
      break;
    }
    if (!response.write(event.frame)) await once(response, 'drain', { signal: gone });
    eventsSent += 1;
  }
  response.end(protocol.streamTrailer);
}

/** Leaves an answer half way: with a broken connection, or with one that stays open and silent. */
function breakOff(response: ServerResponse, sent: string, failure: 'reset' | 'stall'): void {
  if (failure === 'reset') response.write(sent, () => response.socket?.resetAndDestroy());
  else response.write(sent);
}
