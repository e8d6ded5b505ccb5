import { type ChildProcess, spawn } from 'node:child_process';

/**
 * Postgres and Redis know nothing of our lifeline, and a Node child may be too busy to see its own. So one tiny shell
 * process reads the pids of all children from its standard input, and when that ends without a goodbye (the supervisor was
 * killed) it asks them to end: Node children first, because they still want to write to the stores, then everything left.
 */
const WATCHER_SCRIPT = `
alive() { for pid in $1; do kill -0 "$pid" 2>/dev/null && return 0; done; return 1; }
wait_for() { tries=0; while [ "$tries" -lt "$2" ] && alive "$1"; do sleep 0.1; tries=$((tries + 1)); done; }
trap '' INT HUP TERM
nodes=; stores=; clean=
while read -r word rest; do
  case "$word" in
    nodes) nodes=$rest ;;
    stores) stores=$rest ;;
    goodbye) clean=yes ;;
  esac
done
[ -n "$clean" ] && exit 0
for pid in $nodes; do kill -TERM "$pid" 2>/dev/null; done
wait_for "$nodes" 50
for pid in $nodes; do kill -KILL "$pid" 2>/dev/null; done
for pid in $stores; do kill -INT "$pid" 2>/dev/null; done
wait_for "$stores" 50
for pid in $stores; do kill -KILL "$pid" 2>/dev/null; done
exit 0
`;

export interface LifelineWatcher {
  /** The complete lists, after every change. */
  watch(pids: { nodes: readonly number[]; stores: readonly number[] }): void;
  /** The supervisor ends in good order; nothing is to be killed. */
  dismiss(): void;
}

export function startLifelineWatcher(): LifelineWatcher {
  let dismissed = false;
  let lists = '';
  let shell: ChildProcess;
  const start = (): void => {
    shell = spawn('/bin/sh', ['-c', WATCHER_SCRIPT], {
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
    });
    shell.stdin?.on('error', () => undefined);
    shell.stdin?.write(lists);
    shell.unref();
    shell.on('exit', () => {
      if (!dismissed) start();
    });
  };
  start();
  return {
    watch: ({ nodes, stores }) => {
      lists = `nodes ${nodes.join(' ')}\nstores ${stores.join(' ')}\n`;
      shell.stdin?.write(lists);
    },
    dismiss: () => {
      dismissed = true;
      shell.stdin?.end('goodbye\n');
    },
  };
}
