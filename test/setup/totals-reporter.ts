import type { Reporter, TestModule } from 'vitest/node';

/** Ends the output with one line that machines read: `412 passed, 0 failed` or `412 passed, 0 failed, 3 skipped`. */
export default class TotalsReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    let passed = 0;
    let failed = unhandledErrors.length;
    let skipped = 0;
    for (const module of modules) {
      let failedHere = 0;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') passed += 1;
        else if (state === 'failed') failedHere += 1;
        else skipped += 1;
      }
      // A file that could not even be loaded, or whose hooks failed, has no failed test to count.
      failed += failedHere === 0 && module.state() === 'failed' ? 1 : failedHere;
    }
    const line = `${passed} passed, ${failed} failed${skipped === 0 ? '' : `, ${skipped} skipped`}`;
    process.on('exit', () => process.stdout.write(`${line}\n`));
  }
}
