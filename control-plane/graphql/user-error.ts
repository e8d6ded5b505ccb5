import type { ObjectFieldBuilder } from '@pothos/core';
import { USER_ERRORS, type UserError, type UserErrorCode } from '../user-error.ts';
import { builder } from './builder.ts';
import type { Payload } from './run-mutation.ts';

const userErrorCodes = Object.keys(USER_ERRORS).filter((code): code is UserErrorCode => code in USER_ERRORS);

const userErrorCode = builder.enumType('UserErrorCode', {
  description: 'Why a mutation refused.',
  values: Object.fromEntries(
    userErrorCodes.map((code) => [code, { value: code, description: USER_ERRORS[code] }]),
  ),
});

export const userErrorRef = builder.objectRef<UserError>('UserError').implement({
  description: 'An expected failure of a mutation. A mutation with user errors has changed nothing.',
  fields: (t) => ({
    code: t.field({
      type: userErrorCode,
      description: 'Stable; what programs should look at.',
      resolve: (error) => error.code,
    }),
    message: t.exposeString('message', { description: 'For people; its wording may change.' }),
    path: t.stringList({
      description: 'The field of `input` at fault, from the outside in, such as ["input", "amountUsd"].',
      resolve: (error) => ['input', ...error.path],
    }),
  }),
});

type PayloadFields = ObjectFieldBuilder<typeof builder.$inferSchemaTypes, Payload<unknown>>;

/** The `userErrors` field of every payload. */
export function userErrorsField(t: Pick<PayloadFields, 'field'>) {
  return t.field({
    type: [userErrorRef],
    description: 'Why it was refused, if it was.',
    resolve: ({ userErrors }: Payload<unknown>) => [...userErrors],
  });
}
