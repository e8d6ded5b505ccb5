import { createChildGroup } from '#control-plane/supervisor/child-group.ts';

/**
 * A supervisor with two children that know no lifeline and ignore requests to end, as far as a shell can. The tests kill it
 * and look at what becomes of them. Called with the state folder.
 */
const [home = ''] = process.argv.slice(2);
const children = createChildGroup(home, { note: () => undefined, step: () => () => undefined });
for (const rank of ['control-plane', 'postgres'] as const) {
  await children.start(
    {
      name: rank,
      program: '/bin/sh',
      arguments: ['-c', "trap '' HUP; while :; do sleep 0.1; done"],
      environment: { PATH: '/usr/bin:/bin' },
      workingDirectory: home,
      logFile: `${home}/${rank}.log`,
      stopSignal: 'SIGTERM',
      readyTimeoutMs: 5_000,
      stopGraceMs: 1_000,
      untilReady: () => Promise.resolve(),
    },
    rank,
  );
}
process.stdout.write('started\n');
