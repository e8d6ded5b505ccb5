import { USER_ERRORS, type UserError, type UserErrorCode } from '../user-error.ts';
import { builder } from './builder.ts';

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
