import { randomUUID } from 'node:crypto';
import { pino } from 'pino';
import { startJobs } from '#control-plane/jobs/start-jobs.ts';
import { testRedisUrl } from '#test/setup/test-backends.ts';
import { WebhookReceiver } from '../fakes/webhook-receiver.ts';
import { startTestApi, type TestApi } from './api-fixture.ts';

export interface MadeEndpoint {
  /** Global id. */
  readonly id: string;
  readonly secret: string;
  /** Where the receiver hears of it. */
  readonly path: string;
}

export interface WebhookFixture {
  readonly api: TestApi;
  readonly receiver: WebhookReceiver;
  /** An endpoint of the account at the receiver, on a path of its own. */
  endpoint(accountId: string, events?: readonly string[], token?: string): Promise<MadeEndpoint>;
  makeKey(accountId: string, input?: object): Promise<string>;
  /** What the log says of an endpoint's deliveries, newest first. */
  // biome-ignore lint/suspicious/noExplicitAny: as Answer.data
  deliveries(endpoint: MadeEndpoint): Promise<any[]>;
  startJobs(): Promise<{ close(): Promise<void> }>;
  close(): Promise<void>;
}

/** The API and a receiver; jobs only where the test starts them. */
export async function startWebhooks(): Promise<WebhookFixture> {
  const api = await startTestApi();
  const receiver = await WebhookReceiver.start();
  return {
    api,
    receiver,
    endpoint: async (accountId, events, token) => {
      const path = `/${randomUUID()}`;
      const { webhookEndpoint, secret } = await api.mutate(
        'webhookEndpointCreate',
        { accountId, url: receiver.url(path), ...(events && { events }) },
        'webhookEndpoint { id } secret',
        token,
      );
      return { id: webhookEndpoint.id, secret, path };
    },
    makeKey: async (accountId, input = {}) =>
      (await api.mutate('apiKeyCreate', { accountId, name: 'Key', ...input }, 'apiKey { id }')).apiKey.id,
    deliveries: async ({ id }) => {
      const { data } = await api.call(
        `query ($id: ID!) { webhookDeliveries(webhookEndpointId: $id) { nodes {
          id messageId eventType body status nextAttemptAt finishedAt
          attempts { startedAt durationMs httpStatus error } } } }`,
        { variables: { id } },
      );
      return data.webhookDeliveries.nodes;
    },
    startJobs: async () =>
      startJobs({
        database: api.database,
        sql: api.sql,
        redisUrl: await testRedisUrl(),
        logger: pino({ level: 'silent' }),
        sealingKey: api.sealingKey,
        mailbox: api.mailbox,
        fetcher: api.webhookFetcher,
        billing: null,
      }),
    close: async () => {
      receiver.stop();
      await api.close();
    },
  };
}
