import { Agent, request } from 'undici';
import { systemClock } from '#shared/clock.ts';
import { parseIdOf, uuidTimeMs } from '#shared/identifiers.ts';
import { type MockScript, scriptInMessage } from '#test/fakes/mock-script.ts';
import { MOCK_MODEL, type Outside } from './outside.ts';

const WINDOW_MS = 60_000;
const TICK_MS = 10;
const REQUEST_TIMEOUT_MS = 60_000;

export interface Trial {
  /** Takes turns between these. */
  readonly apiKeys: readonly string[];
  readonly script: MockScript;
  /** Beside model and messages. */
  readonly body?: Readonly<Record<string, unknown>>;
  /** Put before the script, to make the prompt longer. */
  readonly system?: string;
}

export interface Admission {
  readonly status: number;
  /** When the data plane received it, Unix ms. */
  readonly receivedAtMs: number;
  /** When the client had its last byte, Unix ms. */
  readonly answeredAtMs: number;
  /** From sending to the last byte, at the client. */
  readonly tookMs: number;
  readonly retryAfterSeconds: number | undefined;
  readonly code: string | undefined;
}

/** Sends requests of a trial over connections of its own, many enough to reach every process behind the port. */
export class AdmissionTrial {
  readonly #outside: Outside;
  readonly #trial: Trial;
  readonly #agent = new Agent({ connections: 128, pipelining: 0 });
  #sent = 0;

  constructor(outside: Outside, trial: Trial) {
    this.#outside = outside;
    this.#trial = trial;
  }

  async send(): Promise<Admission> {
    const { apiKeys, script, body, system } = this.#trial;
    const apiKey = apiKeys[this.#sent % apiKeys.length] ?? '';
    this.#sent += 1;
    const messages = [
      ...(system === undefined ? [] : [{ role: 'system', content: system }]),
      { role: 'user', content: scriptInMessage(script) },
    ];
    const sentAtMs = systemClock.monotonicMs();
    const response = await request(`${this.#outside.product.access.dataPlaneUrl}/v1/chat/completions`, {
      dispatcher: this.#agent,
      method: 'POST',
      headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: MOCK_MODEL, messages, ...body }),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    const text = await response.body.text();
    const tookMs = systemClock.monotonicMs() - sentAtMs;
    const uuid = parseIdOf('UsageRecord', String(response.headers['x-request-id'] ?? ''));
    const retryAfter = response.headers['retry-after'];
    return {
      status: response.statusCode,
      receivedAtMs: uuid === undefined ? Number.NaN : uuidTimeMs(uuid),
      answeredAtMs: systemClock.nowMs(),
      tookMs,
      retryAfterSeconds: retryAfter === undefined ? undefined : Number(retryAfter),
      code: /"code":"([a-z_]+)"/.exec(text)?.[1],
    };
  }

  burst(count: number): Promise<Admission[]> {
    return Promise.all(Array.from({ length: count }, () => this.send()));
  }

  /** Sends at an even rate for so long, however slow the answers are. */
  async drive(requestsPerSecond: number, forMs: number): Promise<Admission[]> {
    const startedMs = systemClock.monotonicMs();
    const running: Promise<Admission>[] = [];
    for (;;) {
      const elapsedMs = systemClock.monotonicMs() - startedMs;
      if (elapsedMs >= forMs) break;
      while (running.length < (elapsedMs * requestsPerSecond) / 1_000) running.push(this.send());
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
    return await Promise.all(running);
  }

  /** A sole client that waits as it is told after each refusal. */
  async driveObediently(forMs: number): Promise<Admission[]> {
    const startedMs = systemClock.monotonicMs();
    const answers: Admission[] = [];
    while (systemClock.monotonicMs() - startedMs < forMs) {
      const answer = await this.send();
      answers.push(answer);
      const waitMs = (answer.retryAfterSeconds ?? 0) * 1_000;
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
    return answers;
  }

  async close(): Promise<void> {
    await this.#agent.close();
  }
}

export const servedOf = (answers: readonly Admission[]): Admission[] =>
  answers.filter(({ status }) => status === 200);

/** How many answers had each status and error code. */
export function outcomesOf(answers: readonly Admission[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, code } of answers) {
    const name = code === undefined ? String(status) : `${status} ${code}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

/**
 * The most requests that were certainly reserved within the same 60 s. Each was reserved at some moment between its receipt and
 * its answer, so only one that was received and answered within them counts: a busy machine makes that time longer.
 */
export function mostInAMinute(answers: readonly Admission[]): number {
  const counts = answers.map(
    ({ receivedAtMs: from }) =>
      answers.filter(
        ({ receivedAtMs, answeredAtMs }) => receivedAtMs >= from && answeredAtMs < from + WINDOW_MS,
      ).length,
  );
  return Math.max(0, ...counts);
}
