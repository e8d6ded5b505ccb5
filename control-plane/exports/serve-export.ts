import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { and, eq } from 'drizzle-orm';
import type { Database } from '#db/client.ts';
import { exportChunks, exports } from '#db/schema/exports.ts';
import { systemClock } from '#shared/clock.ts';
import type { SealingKey } from '#shared/sealed-secret.ts';
import type { HttpRoute } from '../http-route.ts';
import { isSignedLink, signLink } from '../signed-link.ts';

const decompress = promisify(gunzip);

/** A link to the file that works for an hour, for whoever has it. */
export function exportLink(publicUrl: string, key: SealingKey, exportId: string, nowMs: number): string {
  return `${publicUrl}/exports/${exportId}.csv?${signLink(key, `exports:${exportId}`, nowMs)}`;
}

/** Sends finished exports, chunk by chunk as fast as the client takes them. */
export function exportRoute(database: Database, sealingKey: SealingKey): HttpRoute {
  return {
    method: 'GET',
    path: /^\/exports\/([0-9a-f-]{36})\.csv$/,
    handle: async (request, response, [, exportId = '']) => {
      const refuse = (status: number, message: string): void => {
        response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
        response.end(`${message}\n`);
      };
      const { searchParams } = new URL(request.url ?? '/', 'http://localhost');
      if (!isSignedLink(sealingKey, `exports:${exportId}`, searchParams, systemClock.nowMs()))
        return refuse(403, 'This link has expired. Ask for a new one where you found it.');
      const [row] = await database.select().from(exports).where(eq(exports.id, exportId));
      if (row?.status !== 'done') return refuse(404, 'There is no such file, or not any more.');
      response.writeHead(200, {
        'content-type': 'text/csv; charset=utf-8',
        'content-length': row.byteCount,
        'content-disposition': `attachment; filename="crossmodel-${row.subject}-${row.startsAt.toISOString().slice(0, 10)}-${row.endsAt.toISOString().slice(0, 10)}.csv"`,
      });
      await pipeline(Readable.from(piecesOf(database, exportId, row.chunkCount)), response);
    },
  };
}

async function* piecesOf(database: Database, exportId: string, count: number): AsyncGenerator<Buffer> {
  for (let sequence = 0; sequence < count; sequence += 1) {
    const [chunk] = await database
      .select({ content: exportChunks.content })
      .from(exportChunks)
      .where(and(eq(exportChunks.exportId, exportId), eq(exportChunks.sequence, sequence)));
    // Deleted while it was being sent: the length that was announced tells the client that something is missing.
    if (!chunk) throw new Error('An export ended while it was being sent');
    yield await decompress(chunk.content);
  }
}
