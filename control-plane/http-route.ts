import type { IncomingMessage, ServerResponse } from 'node:http';

/** Something that the control plane serves beside GraphQL. */
export interface HttpRoute {
  readonly method: 'GET' | 'POST';
  /** Matched against the whole path; its groups are handed to `handle`. */
  readonly path: RegExp;
  handle(request: IncomingMessage, response: ServerResponse, path: RegExpExecArray): void | Promise<void>;
}
