import { readFile } from 'node:fs/promises';
import { CriticalityLevel, diff } from '@graphql-inspector/core';
import { buildSchema } from 'graphql';

/**
 * Prints, as a JSON list, what of the first schema file clients could not rely on any more with the second. A process of its
 * own, because inside the test runner the schemas would belong to another copy of graphql than the comparison.
 */
const [before = '', after = ''] = await Promise.all(
  process.argv.slice(2).map((file) => readFile(file, 'utf8')),
);
const changes = await diff(buildSchema(before), buildSchema(after));
const breaking = changes.filter((change) => change.criticality.level === CriticalityLevel.Breaking);
process.stdout.write(JSON.stringify(breaking.map((change) => change.message)));
