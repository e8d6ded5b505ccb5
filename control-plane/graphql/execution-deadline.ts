import type { Plugin } from 'graphql-yoga';
import { type apiError, timedOut } from './api-error.ts';
import type { RequestContext } from './request-context.ts';

/**
 * Answers with `TIMEOUT` when a request runs longer than `apiTimeoutMs`. No further field begins then; what SQL is under way
 * ends by Postgres' own limit. A mutation may still take effect, which the answer says.
 */
export const executionDeadline: Plugin<RequestContext> = {
  onExecute({ executeFn, setExecuteFn, context }) {
    setExecuteFn(async (args) => {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<{ errors: ReturnType<typeof apiError>[] }>((resolve) => {
        timer = setTimeout(() => {
          context.deadline.passed = true;
          resolve({ errors: [timedOut()] });
        }, context.apiTimeoutMs);
      });
      try {
        return await Promise.race([executeFn(args), late]);
      } finally {
        clearTimeout(timer);
      }
    });
  },
};
