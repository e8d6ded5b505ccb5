import {
  App,
  type HttpRequest,
  type HttpResponse,
  type us_listen_socket,
  us_listen_socket_close,
  us_socket_local_port,
} from 'uWebSockets.js';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { fault } from '#shared/fault.ts';
import {
  chatClientDialect,
  messagesClientDialect,
  responsesClientDialect,
} from './dialects/client-dialects.ts';
import { showCredits, showUsage } from './endpoints/account-figures.ts';
import { CountTokensEndpoint } from './endpoints/count-tokens.ts';
import {
  answerFault,
  answerUnexpected,
  type ErrorShape,
  type Exchange,
  openExchange,
} from './endpoints/exchange.ts';
import { showHealth, showReadiness } from './endpoints/health.ts';
import { InferenceEndpoint } from './endpoints/inference.ts';
import { listModels, showModel } from './endpoints/list-models.ts';
import { publicCatalog } from './endpoints/public-catalog.ts';
import { RefusalRecords } from './endpoints/refusal-records.ts';
import { shapeByHeader } from './endpoints/shared-get.ts';
import type { Gateway } from './gateway.ts';
import { RequestIntake } from './http/request-intake.ts';
import { type ResponseOptions, ResponseWriter } from './http/response-writer.ts';

export interface RunningServer {
  readonly port: number;
  /**
   * Takes no new connections, answers what open ones still send, and resolves when `close` would cut nobody, or with how
   * many requests it would cut at the deadline.
   */
  drain(limits: DrainLimits): Promise<number>;
  /** Cuts what is still open. */
  close(): void;
}

export interface DrainLimits {
  /** How long requests may go on. */
  readonly deadlineMs: number;
  /**
   * How long idle connections are kept after that: a client may be sending its next request on one at this moment. It is
   * answered with `connection: close`; whoever stays silent for so long is cut.
   */
  readonly lingerMs: number;
}

type Handler = (exchange: Exchange) => void;

const DRAIN_POLL_MS = 20;
const MODEL_PATH = '/v1/models/';

/** Starts the HTTP server; the only route table of the data plane. Rejects when the port cannot be had. */
export function startServer(gateway: Gateway, host: string, port: number): Promise<RunningServer> {
  const refusals = new RefusalRecords(gateway.spool, gateway.clock);
  const chat = new InferenceEndpoint(gateway, refusals, chatClientDialect);
  const responses = new InferenceEndpoint(gateway, refusals, responsesClientDialect);
  const messages = new InferenceEndpoint(gateway, refusals, messagesClientDialect);
  const counting = new CountTokensEndpoint(gateway);
  const doors = new Doors(gateway);
  const app = App();
  app.filter(doors.countConnection);

  const openai = () => 'openai' as const;
  doors.post(app, '/v1/chat/completions', openai, (exchange) => chat.handle(exchange));
  doors.post(app, '/v1/responses', openai, (exchange) => responses.handle(exchange));
  doors.post(
    app,
    '/v1/messages',
    () => 'anthropic',
    (exchange) => messages.handle(exchange),
  );
  doors.post(
    app,
    '/v1/messages/count_tokens',
    () => 'anthropic',
    (exchange) => counting.handle(exchange),
  );
  doors.get(app, '/v1/models', shapeByHeader, (exchange) => listModels(gateway, exchange));
  doors.get(app, `${MODEL_PATH}*`, shapeByHeader, (exchange) =>
    showModel(gateway, exchange, exchange.intake.path.slice(MODEL_PATH.length)),
  );
  doors.get(app, '/v1/credits', shapeByHeader, (exchange) => showCredits(gateway, exchange));
  doors.get(app, '/v1/usage', shapeByHeader, (exchange) => showUsage(gateway, exchange));
  doors.get(app, '/api/models', openai, (exchange) => publicCatalog(gateway, exchange));
  doors.get(app, '/healthz', openai, showHealth);
  doors.get(app, '/readyz', openai, (exchange) => showReadiness(gateway, exchange, doors.draining));
  app.any('/*', doors.handler(shapeByPath, answerNoRoute));

  return new Promise((resolve, reject) => {
    app.listen(host, port, (socket) => {
      if (socket === false) {
        reject(new Error(`Cannot listen on ${host}:${port}; is the port in use?`));
        return;
      }
      resolve({
        port: us_socket_local_port(socket),
        drain: (limits) => doors.drain(socket, limits),
        close: () => {
          refusals.close();
          app.close();
        },
      });
    });
  });
}

/** Opens an exchange per request and knows how many of them and how many connections are open. */
class Doors {
  draining = false;
  readonly #gateway: Gateway;
  #open = 0;
  #connections = 0;

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  post(
    app: ReturnType<typeof App>,
    path: string,
    shape: (intake: RequestIntake) => ErrorShape,
    answer: Handler,
  ): void {
    app.post(path, this.handler(shape, answer, 'body'));
    app.any(
      path,
      this.handler(shape, (exchange) => answerWrongMethod(exchange, 'POST')),
    );
  }

  get(
    app: ReturnType<typeof App>,
    path: string,
    shape: (intake: RequestIntake) => ErrorShape,
    answer: Handler,
  ): void {
    app.get(path, this.handler(shape, answer, 'body'));
    app.head(path, this.handler(shape, answer, 'head'));
    app.any(
      path,
      this.handler(shape, (exchange) => answerWrongMethod(exchange, 'GET, HEAD')),
    );
  }

  handler(
    shapeOf: (intake: RequestIntake) => ErrorShape,
    answer: Handler,
    sends: 'body' | 'head' | 'either' = 'either',
  ): (response: HttpResponse, request: HttpRequest) => void {
    return (response, request) => {
      const intake = new RequestIntake(response, request);
      this.#open += 1;
      const isHead = sends === 'head' || (sends === 'either' && intake.method === 'head');
      const writer = new ResponseWriter(response, isHead ? this.#headOptions : this.#bodyOptions);
      const exchange = openExchange(this.#gateway, intake, writer, shapeOf(intake));
      // A throw through uWS would end the process and every stream in it.
      try {
        answer(exchange);
      } catch (error) {
        answerUnexpected(this.#gateway, exchange, error);
      }
    };
  }

  readonly #bodyOptions: ResponseOptions = {
    isHead: false,
    closesConnection: () => this.draining,
    onClosed: () => {
      this.#open -= 1;
    },
  };
  readonly #headOptions: ResponseOptions = { ...this.#bodyOptions, isHead: true };

  /** uWS counts a new connection as 1 and one that has gone as -1. */
  readonly countConnection = (_: HttpResponse, change: number): void => {
    this.#connections += change;
  };

  async drain(socket: us_listen_socket, { deadlineMs, lingerMs }: DrainLimits): Promise<number> {
    this.draining = true;
    // Right after the loop has looked for new connections: what waits in the queue of a socket that closes is reset.
    await nextTurn();
    us_listen_socket_close(socket);
    const { clock } = this.#gateway;
    const until = clock.monotonicMs() + deadlineMs;
    let quietSince = clock.monotonicMs();
    for (;;) {
      const now = clock.monotonicMs();
      if (this.#open > 0) quietSince = now;
      if (this.#connections === 0 || now >= until || now - quietSince >= lingerMs) return this.#open;
      await delay(DRAIN_POLL_MS);
    }
  }
}

function shapeByPath(intake: RequestIntake): ErrorShape {
  return intake.path.startsWith('/v1/messages') ? 'anthropic' : shapeByHeader(intake);
}

function answerNoRoute(exchange: Exchange): void {
  answerFault(exchange, fault('route_not_found', 'There is nothing at this path.'));
}

function answerWrongMethod(exchange: Exchange, allowed: string): void {
  answerFault(exchange, fault('method_not_allowed', `This path takes ${allowed}.`), ['allow', allowed]);
}
