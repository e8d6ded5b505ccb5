import { randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';

const FILE_MODE = 0o600;

const developmentAccess = z.object({
  dataPlaneUrl: z.string(),
  graphqlUrl: z.string(),
  apiKey: z.string(),
  managementToken: z.string(),
  operatorToken: z.string(),
  accountId: z.string(),
});

/** What a newcomer and scripts need to use a development installation; the one place where its secrets are kept. */
export type DevelopmentAccess = z.infer<typeof developmentAccess>;

/** The file of an earlier start; `undefined` when there is none or it is damaged. */
export async function readDevelopmentFile(home: string): Promise<DevelopmentAccess | undefined> {
  let content: string;
  try {
    content = await readFile(filePath(home), 'utf8');
  } catch {
    return undefined;
  }
  try {
    return developmentAccess.safeParse(JSON.parse(content)).data;
  } catch {
    return undefined;
  }
}

/** Replaces the file in one step, readable by its owner only. */
export async function writeDevelopmentFile(home: string, access: DevelopmentAccess): Promise<void> {
  await mkdir(home, { recursive: true });
  const target = filePath(home);
  const temporary = `${target}.${randomUUID()}`;
  await writeFile(temporary, `${JSON.stringify(access, null, 2)}\n`, { mode: FILE_MODE });
  await rename(temporary, target);
}

function filePath(home: string): string {
  return path.join(home, 'dev.json');
}
