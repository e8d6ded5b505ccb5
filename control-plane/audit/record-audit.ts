import type { Transaction } from '#db/client.ts';
import { auditEntries } from '#db/schema/audit.ts';
import { mintId } from '../mint-id.ts';

type AuditEntry = Omit<typeof auditEntries.$inferInsert, 'id' | 'createdAt'>;

const MAX_INPUT_BYTES = 16_384;
const SECRET_NAMES = /^(credential|token|secret|password)$/i;

/** Writes an audit entry in the transaction of the change itself: there is no change without its entry. */
export async function recordAudit(tx: Transaction, entry: AuditEntry): Promise<void> {
  await tx.insert(auditEntries).values({ id: mintId(), ...entry, input: withoutSecrets(entry.input) });
}

/** The input with secrets replaced by a mark; of an input too long to keep only its length. */
function withoutSecrets(input: unknown): unknown {
  const text = JSON.stringify(input, (name, value: unknown) => {
    if (SECRET_NAMES.test(name) && value !== null) return '[secret]';
    return typeof value === 'bigint' ? value.toString() : value;
  });
  return text.length > MAX_INPUT_BYTES ? { tooLongToKeep: text.length } : JSON.parse(text);
}
