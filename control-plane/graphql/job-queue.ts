import {
  countDeadLetters,
  type DeadLetter,
  listDeadLetters,
  replayDeadLetter,
} from '../jobs/dead-letters.ts';
import type { QueueHealth } from '../jobs/job-queues.ts';
import { builder } from './builder.ts';
import { encodeGlobalId, uuidOf } from './global-ids.ts';
import { type Payload, runMutation } from './run-mutation.ts';
import { userErrorsField } from './user-error.ts';

const MAX_LETTERS = 200;

const queueRef = builder.objectRef<QueueHealth & { readonly dead: number }>('JobQueue').implement({
  description: 'How a queue of background jobs is doing.',
  fields: (t) => ({
    name: t.exposeString('queue', { description: 'Its name.' }),
    waiting: t.exposeInt('waiting', { description: 'Jobs that could run now.' }),
    active: t.exposeInt('active', { description: 'Jobs that run.' }),
    delayed: t.exposeInt('delayed', { description: 'Jobs that wait for their time or their next attempt.' }),
    dead: t.exposeInt('dead', { description: 'Dead letters that nobody has run again.' }),
    oldestWaitingSeconds: t.float({
      description: 'How long the oldest job that could run has waited; 0 where none waits.',
      resolve: (queue) => queue.oldestWaitingMs / 1_000,
    }),
  }),
});

const deadLetterRef = builder.objectRef<DeadLetter>('DeadLetter').implement({
  description: 'A job that failed as often as it may.',
  fields: (t) => ({
    id: t.id({ description: 'Global id.', resolve: (letter) => encodeGlobalId('DeadLetter', letter.id) }),
    queue: t.exposeString('queue', { description: 'The queue it was in.' }),
    subject: t.string({
      description: 'What it was about: names and ids, as JSON.',
      resolve: (letter) => JSON.stringify(letter.payload),
    }),
    error: t.exposeString('error', { description: 'Why its last attempt failed.' }),
    attempts: t.exposeInt('attempts', { description: 'How often it was tried.' }),
    failedAt: t.expose('failedAt', { type: 'DateTime', description: 'When it was given up.' }),
  }),
});

type ReplayPayload = Payload<{ deadLetterId: string }>;

const replayInput = builder.inputType('DeadLetterReplayInput', {
  description: 'Which job to run again.',
  fields: (t) => ({
    deadLetterId: t.id({ required: true, description: 'Global id of the dead letter, `dead_…`.' }),
  }),
});

const replayPayload = builder.objectRef<ReplayPayload>('DeadLetterReplayPayload').implement({
  description: 'The result of `deadLetterReplay`.',
  fields: (t) => ({
    deadLetterId: t.id({
      nullable: true,
      description: 'The dead letter whose job runs again; null when the mutation was refused.',
      resolve: ({ value }) => value && encodeGlobalId('DeadLetter', value.deadLetterId),
    }),
    userErrors: userErrorsField(t),
  }),
});

builder.queryFields((t) => ({
  jobQueues: t.field({
    type: [queueRef],
    description: 'Every queue of background jobs.',
    resolve: async (_root, _args, { queues, database }) => {
      const [health, dead] = await Promise.all([queues.health(), countDeadLetters(database)]);
      return health.map((queue) => ({ ...queue, dead: dead.get(queue.queue) ?? 0 }));
    },
  }),
  deadLetters: t.field({
    type: [deadLetterRef],
    description: 'Jobs that were given up and not run again, newest first.',
    args: {
      first: t.arg.int({ description: `At most this many, up to ${MAX_LETTERS}; 50 when left out.` }),
      before: t.arg.id({ description: 'Only those older than this dead letter.' }),
    },
    resolve: (_root, { first, before }, { database }) =>
      listDeadLetters(database, {
        first: Math.min(Math.max(first ?? 50, 1), MAX_LETTERS),
        before: before == null ? null : uuidOf('DeadLetter', before),
      }),
  }),
}));

builder.mutationField('deadLetterReplay', (t) =>
  t.field({
    type: replayPayload,
    description: 'Runs a job again that was given up. Idempotent.',
    args: { input: t.arg({ type: replayInput, required: true, description: 'Which job.' }) },
    resolve: (_root, { input }, context): Promise<ReplayPayload> =>
      runMutation(context, { mutation: 'deadLetterReplay', input }, (tx) =>
        replayDeadLetter(tx, context.queues, uuidOf('DeadLetter', input.deadLetterId)),
      ),
  }),
);
