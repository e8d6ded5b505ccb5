import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { deliverDue } from '#control-plane/webhooks/deliver-webhooks.ts';
import { forgetOldEvents } from '#control-plane/webhooks/forget-deliveries.ts';
import { MAX_DELIVERY_ATTEMPTS, retryDelayMs } from '#control-plane/webhooks/retry-schedule.ts';
import { GuardedFetcher, type GuardedFetchOptions } from '#shared/guarded-fetch.ts';
import { parseIdOf } from '#shared/identifiers.ts';
import { MediaServer } from '../fakes/media-server.ts';
import { type MadeEndpoint, startWebhooks, type WebhookFixture } from './webhook-fixture.ts';

let hooks: WebhookFixture;
let accountId: string;
beforeAll(async () => {
  hooks = await startWebhooks();
  ({ accountId } = await hooks.api.openAccount());
});
afterAll(() => hooks.close());

const EVENTS_AT_ONCE = 500;

const uuidOf = ({ id }: MadeEndpoint) => parseIdOf('WebhookEndpoint', id) ?? '';

/** What the worker does for one endpoint, once. */
async function deliver(endpoint: MadeEndpoint, options: GuardedFetchOptions = {}): Promise<void> {
  const fetcher = new GuardedFetcher({ trustedAddresses: ['127.0.0.1'], ...options });
  await deliverDue(
    { database: hooks.api.database, sealingKey: hooks.api.sealingKey, fetcher },
    uuidOf(endpoint),
  );
}

/** An endpoint with a message that waits for it. */
async function waiting(url?: string): Promise<MadeEndpoint> {
  const endpoint = await hooks.endpoint(accountId);
  if (url !== undefined)
    await hooks.api.sql`update webhook_endpoints set url = ${url} where id = ${uuidOf(endpoint)}`;
  await hooks.api.mutate('webhookEndpointTest', { webhookEndpointId: endpoint.id }, '');
  return endpoint;
}

async function makeDue(endpoint: MadeEndpoint): Promise<void> {
  await hooks.api.sql`
    update webhook_deliveries set next_attempt_at = now() - interval '1 ms', claimed_until = null
    where endpoint_id = ${uuidOf(endpoint)} and status = 'pending'`;
}

const statusOf = async (endpoint: MadeEndpoint) =>
  (
    await hooks.api.call(
      'query ($id: ID!) { node(id: $id) { ... on WebhookEndpoint { status disabledReason failingSince } } }',
      {
        variables: { id: endpoint.id },
      },
    )
  ).data.node;

/** Answers on one path as given, on all others with 200. */
function answerOn(
  endpoint: MadeEndpoint,
  answer: (response: import('node:http').ServerResponse) => void,
): void {
  const before = hooks.receiver.script;
  hooks.receiver.script = (response, message) =>
    message.path === endpoint.path ? answer(response) : before(response, message);
}

describe('a failed try', () => {
  it('is made up for later, with the same message, and the endpoint counts as failing meanwhile', async () => {
    const endpoint = await waiting();
    answerOn(endpoint, (response) => response.writeHead(500).end('secret of theirs'));
    await deliver(endpoint);
    const [failed] = await hooks.deliveries(endpoint);
    expect(failed).toMatchObject({
      status: 'PENDING',
      attempts: [{ httpStatus: 500, error: 'error_status' }],
      nextAttemptAt: expect.any(String),
    });
    expect((await statusOf(endpoint)).failingSince).not.toBeNull();
    await deliver(endpoint);
    expect(hooks.receiver.on(endpoint.path)).toHaveLength(1);
    answerOn(endpoint, (response) => response.writeHead(204).end());
    await makeDue(endpoint);
    await deliver(endpoint);
    const [first, second] = hooks.receiver.on(endpoint.path);
    expect(second?.body).toBe(first?.body);
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    expect(await hooks.deliveries(endpoint)).toMatchObject([{ status: 'DELIVERED' }]);
    expect(await statusOf(endpoint)).toMatchObject({ status: 'ENABLED', failingSince: null });
    const log = JSON.stringify(await hooks.api.sql`select * from webhook_attempts`);
    expect(log).not.toContain('secret of theirs');
  });

  it('is the last after a day of tries; the delivery is then failed until somebody replays it', async () => {
    const endpoint = await waiting();
    answerOn(endpoint, (response) => response.writeHead(503).end());
    for (let tries = 0; tries < MAX_DELIVERY_ATTEMPTS; tries += 1) {
      await makeDue(endpoint);
      await deliver(endpoint);
    }
    const [delivery] = await hooks.deliveries(endpoint);
    expect(delivery).toMatchObject({ status: 'FAILED', nextAttemptAt: null });
    expect(delivery.attempts).toHaveLength(MAX_DELIVERY_ATTEMPTS);
    answerOn(endpoint, (response) => response.end());
    await hooks.api.mutate('webhookDeliveryReplay', { webhookDeliveryId: delivery.id }, '');
    await deliver(endpoint);
    expect(await hooks.deliveries(endpoint)).toMatchObject([{ status: 'DELIVERED' }]);
  });

  it('is followed by pauses that grow over about a day, never together, and heed the receiver', () => {
    const middle = Array.from({ length: MAX_DELIVERY_ATTEMPTS - 1 }, (_, index) =>
      retryDelayMs(index + 1, 0.5, undefined),
    );
    const hours = middle.reduce<number>((sum, ms) => sum + (ms ?? 0), 0) / 3_600_000;
    expect(hours).toBeGreaterThan(20);
    expect(hours).toBeLessThan(28);
    expect(middle).toEqual(middle.toSorted((left, right) => (left ?? 0) - (right ?? 0)));
    expect(retryDelayMs(1, 0, undefined)).toBeLessThan(retryDelayMs(1, 1, undefined) ?? 0);
    expect(retryDelayMs(1, 0.5, 90)).toBe(90_000);
    expect(retryDelayMs(1, 0.5, 1_000_000)).toBe(3_600_000);
    expect(retryDelayMs(MAX_DELIVERY_ATTEMPTS, 0.5, 1)).toBeUndefined();
  });
});

describe('an endpoint that is not what it should be', () => {
  it('may be slow: its try ends, and other endpoints do not wait for it', async () => {
    const slow = await waiting();
    const quick = await waiting();
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    answerOn(slow, (response) => void held.then(() => response.end()));
    const slowEnds = deliver(slow, { deadlineMs: 300 });
    await deliver(quick);
    expect(await hooks.deliveries(quick)).toMatchObject([{ status: 'DELIVERED' }]);
    await slowEnds;
    release();
    expect(await hooks.deliveries(slow)).toMatchObject([
      { status: 'PENDING', attempts: [{ httpStatus: null, error: 'timed_out' }] },
    ]);
  });

  it('may redirect: nobody follows, wherever it leads', async () => {
    const endpoint = await waiting();
    const elsewhere = `/${randomUUID()}`;
    answerOn(endpoint, (response) =>
      response.writeHead(307, { location: hooks.receiver.url(elsewhere) }).end(),
    );
    await deliver(endpoint);
    expect(hooks.receiver.on(elsewhere)).toEqual([]);
    expect(await hooks.deliveries(endpoint)).toMatchObject([
      { status: 'PENDING', attempts: [{ httpStatus: 307, error: 'redirect_not_followed' }] },
    ]);
  });

  it('may answer without end: what it says is not read', async () => {
    const endpoint = await waiting();
    answerOn(endpoint, (response) => {
      response.writeHead(200);
      const piece = Buffer.alloc(1024 * 1024);
      const pour = (): void => {
        while (!response.destroyed && response.write(piece));
        if (!response.destroyed) response.once('drain', pour);
      };
      pour();
    });
    await deliver(endpoint);
    expect(await hooks.deliveries(endpoint)).toMatchObject([{ status: 'DELIVERED' }]);
  });

  it('may have moved to a private address or a name without one', async () => {
    const inside = await waiting('https://10.0.0.1/hook');
    const renamed = await waiting('https://receiver.example.com/hook');
    await deliver(inside);
    await deliver(renamed, { resolveName: async () => ['192.168.0.1'] });
    for (const endpoint of [inside, renamed])
      expect(await hooks.deliveries(endpoint)).toMatchObject([
        { status: 'PENDING', attempts: [{ httpStatus: null, error: 'address_not_public' }] },
      ]);
  });

  it('may have a certificate that nobody vouches for', async () => {
    const server = await MediaServer.start();
    const endpoint = await waiting(server.urlOf('/hook'));
    const { certificateAuthority: _, ...access } = server.access;
    await deliver(endpoint, access);
    expect(server.asked).toEqual([]);
    expect(await hooks.deliveries(endpoint)).toMatchObject([
      { attempts: [{ httpStatus: null, error: 'connection_failed' }] },
    ]);
    await makeDue(endpoint);
    await deliver(endpoint, server.access);
    expect(await hooks.deliveries(endpoint)).toMatchObject([{ status: 'DELIVERED' }]);
    server.stop();
  });

  it('is switched off when it says that it is gone, or has failed for days; nothing waits for it then', async () => {
    const gone = await waiting();
    await hooks.api.mutate('webhookEndpointTest', { webhookEndpointId: gone.id }, '');
    answerOn(gone, (response) => response.writeHead(410).end());
    await deliver(gone);
    expect(await statusOf(gone)).toMatchObject({ status: 'DISABLED', disabledReason: 'GONE' });
    for (const { status } of await hooks.deliveries(gone)) expect(status).not.toBe('PENDING');

    const failing = await waiting();
    answerOn(failing, (response) => response.writeHead(500).end());
    await deliver(failing);
    expect(await statusOf(failing)).toMatchObject({ status: 'ENABLED' });
    await hooks.api.sql`
      update webhook_endpoints set failing_since = now() - interval '121 hours' where id = ${uuidOf(failing)}`;
    await makeDue(failing);
    await deliver(failing);
    expect(await statusOf(failing)).toMatchObject({ status: 'DISABLED', disabledReason: 'FAILING' });
    const enable = { webhookEndpointId: failing.id, status: 'ENABLED' };
    await hooks.api.mutate('webhookEndpointUpdate', enable, '');
    expect(await statusOf(failing)).toEqual({ status: 'ENABLED', disabledReason: null, failingSince: null });
  });

  it('is sent nothing once it is deleted, not even what was waiting', async () => {
    const endpoint = await waiting();
    await hooks.api.mutate('webhookEndpointDelete', { webhookEndpointId: endpoint.id }, '');
    await deliver(endpoint);
    // Also what was written for it in the very moment.
    await hooks.api.sql`
      update webhook_deliveries set status = 'pending' where endpoint_id = ${uuidOf(endpoint)}`;
    await deliver(endpoint);
    expect(hooks.receiver.on(endpoint.path)).toEqual([]);
    expect(await hooks.deliveries(endpoint)).toMatchObject([{ status: 'CANCELED', attempts: [] }]);
  });
});

describe('the workers', () => {
  it('send a message once although its job runs twice at one time', async () => {
    const endpoint = await waiting();
    for (let more = 0; more < 20; more += 1)
      await hooks.api.mutate('webhookEndpointTest', { webhookEndpointId: endpoint.id }, '');
    await Promise.all([deliver(endpoint), deliver(endpoint), deliver(endpoint)]);
    const ids = hooks.receiver.on(endpoint.path).map((message) => message.headers['webhook-id']);
    expect([ids.length, new Set(ids).size]).toEqual([21, 21]);
  });

  it('send it again, under its id, when one was killed between the answer and its note', async () => {
    const endpoint = await waiting();
    await deliver(endpoint);
    // What such a worker leaves behind: a claim, and no try.
    await hooks.api.sql`
      update webhook_deliveries set status = 'pending', attempts = 0, finished_at = null,
        claimed_until = now() + interval '1 hour' where endpoint_id = ${uuidOf(endpoint)}`;
    await deliver(endpoint);
    expect(hooks.receiver.on(endpoint.path)).toHaveLength(1);
    await hooks.api.sql`
      update webhook_deliveries set claimed_until = now() - interval '1 s' where endpoint_id = ${uuidOf(endpoint)}`;
    await deliver(endpoint);
    const [first, second] = hooks.receiver.on(endpoint.path);
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    expect(await hooks.deliveries(endpoint)).toMatchObject([{ status: 'DELIVERED' }]);
  });

  it('deliver many events of one moment, and what a wiped Redis has forgotten, each once', async () => {
    const own = await hooks.api.openAccount();
    const endpoint = await hooks.endpoint(own.accountId, ['API_KEY_DISABLED']);
    const keys = Array.from({ length: EVENTS_AT_ONCE }, (_, index) => ({ name: `Key ${index}` }));
    const { apiKeys } = await hooks.api.mutate(
      'apiKeysCreate',
      { accountId: own.accountId, keys },
      'apiKeys { id }',
    );
    const apiKeyIds = apiKeys.map(({ id }: { id: string }) => id);
    await hooks.api.mutate('apiKeysDisable', { apiKeyIds }, '');
    // Nobody has queued anything yet: the sweep alone finds what is due.
    await hooks.api.redis.flushall();
    const jobs = await hooks.startJobs();
    await vi.waitFor(
      async () => {
        const [open] = await hooks.api.sql<{ count: number }[]>`
          select count(*)::int as count from webhook_deliveries
          where endpoint_id = ${uuidOf(endpoint)} and status <> 'delivered'`;
        expect(open?.count).toBe(0);
      },
      { timeout: 45_000, interval: 100 },
    );
    await jobs.close();
    const ids = hooks.receiver.on(endpoint.path).map((message) => message.headers['webhook-id']);
    expect([ids.length, new Set(ids).size]).toEqual([EVENTS_AT_ONCE, EVENTS_AT_ONCE]);
  }, 60_000);

  it('forget events after thirty days, but none that is still to be sent', async () => {
    const [sent, open] = [await waiting(), await waiting()];
    await deliver(sent);
    await hooks.api.sql`update webhook_events set created_at = now() - interval '31 days'`;
    await forgetOldEvents(hooks.api.database);
    expect(await hooks.deliveries(sent)).toEqual([]);
    expect(await hooks.deliveries(open)).toMatchObject([{ status: 'PENDING' }]);
    const [attempts] = await hooks.api.sql`
      select count(*)::int as count from webhook_attempts where delivery_id not in (select id from webhook_deliveries)`;
    expect(attempts?.count).toBe(0);
  });
});
