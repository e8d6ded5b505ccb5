import { createHmac } from 'node:crypto';
import { type BetterAuthOptions, betterAuth } from 'better-auth';
import { drizzleAdapter } from 'better-auth/adapters/drizzle';
import { twoFactor } from 'better-auth/plugins';
import type { Logger } from 'pino';
import type { Database } from '#db/client.ts';
import * as people from '#db/schema/people.ts';
import type { SealingKey } from '#shared/sealed-secret.ts';
import { CONTROL_CHARACTERS } from '../input-rules.ts';
import type { Mailbox } from '../mail/open-mailbox.ts';
import { mintId } from '../mint-id.ts';
import type { RateLimiter } from '../rate-limit.ts';

export const SIGN_IN_PATH = '/auth';
/** The HTTP server writes the client's address here, whatever the client sent under this name. */
export const CLIENT_ADDRESS_HEADER = 'x-crossmodel-client-address';

export interface SignInOptions {
  readonly database: Database;
  readonly sealingKey: SealingKey;
  readonly mailbox: Mailbox;
  readonly rateLimiter: RateLimiter;
  readonly logger: Logger;
  /** Origin of the control plane as browsers see it. */
  readonly publicUrl: string;
  readonly consoleOrigins: readonly string[];
  readonly development: boolean;
}

const SESSION_SECONDS = 7 * 86_400;
const SESSION_RENEWAL_SECONDS = 86_400;
const RESET_SECONDS = 3_600;
const VERIFICATION_SECONDS = 86_400;
const MIN_PASSWORD_LENGTH = 10;
const MAX_PASSWORD_LENGTH = 128;
const MAX_NAME_LENGTH = 128;
/** Per address and minute. Guessing passwords or codes has to be slow; a team behind one address still gets in. */
const GUESSES_PER_MINUTE = { window: 60, max: 10 };
const DEVELOPMENT_GUESSES_PER_MINUTE = { window: 60, max: 300 };
const REQUESTS_PER_MINUTE = { window: 60, max: 300 };

/** Social sign-in and what belongs to it: nothing of it is set up, so nothing of it is served. */
const UNUSED_PATHS = [
  '/sign-in/social',
  '/callback/:id',
  '/link-social',
  '/unlink-account',
  '/list-accounts',
  '/get-access-token',
  '/refresh-token',
  '/account-info',
  '/two-factor/send-otp',
  '/two-factor/verify-otp',
];

/**
 * Sign-up, sign-in, sessions, e-mail verification, password reset and the second factor, by a library of its own. Sessions
 * are cookies that no script can read; other origins than ours and the listed consoles are refused.
 */
export function openSignIn(options: SignInOptions) {
  const { database, mailbox, rateLimiter, logger, development } = options;
  return betterAuth({
    appName: 'CrossModel',
    baseURL: options.publicUrl,
    basePath: SIGN_IN_PATH,
    // Derived, so that there is no further secret to set, and different from the key that seals credentials.
    secret: createHmac('sha256', options.sealingKey).update('sign-in').digest('base64url'),
    trustedOrigins: [...options.consoleOrigins],
    telemetry: { enabled: false },
    disabledPaths: UNUSED_PATHS,
    logger: {
      level: 'warn',
      // Its messages may name addresses of people, so only that there was one is kept.
      log: (level, message) =>
        logger.debug({ level, length: message.length }, 'The sign-in library noted something'),
    },
    onAPIError: {
      onError: (error) =>
        logger.error({ name: error instanceof Error ? error.name : '' }, 'A sign-in request failed'),
    },
    database: drizzleAdapter(database, {
      provider: 'pg',
      transaction: true,
      schema: {
        user: people.users,
        session: people.userSessions,
        account: people.userCredentials,
        verification: people.userVerifications,
        twoFactor: people.userTwoFactors,
      },
    }),
    session: { expiresIn: SESSION_SECONDS, updateAge: SESSION_RENEWAL_SECONDS },
    verification: { storeIdentifier: 'hashed' },
    ...mailOptions(mailbox),
    databaseHooks: {
      user: {
        create: { before: async (user) => checkPersonName(user.name) },
        update: { before: async (user) => (user.name === undefined ? true : checkPersonName(user.name)) },
      },
    },
    rateLimit: rateLimitOptions(rateLimiter, development),
    advanced: {
      cookiePrefix: 'crossmodel',
      // Said aloud, because the library turns both off by itself where it believes that it is tested.
      disableCSRFCheck: false,
      disableOriginCheck: false,
      useSecureCookies: options.publicUrl.startsWith('https:'),
      defaultCookieAttributes: { sameSite: 'lax', httpOnly: true, path: '/' },
      ipAddress: { ipAddressHeaders: [CLIENT_ADDRESS_HEADER] },
      database: { generateId: mintId },
    },
    plugins: [twoFactor({ issuer: 'CrossModel' })],
  });
}

/** What happens by mail: confirming an address and setting a new password. */
function mailOptions(mailbox: Mailbox) {
  return {
    emailAndPassword: {
      enabled: true,
      requireEmailVerification: true,
      minPasswordLength: MIN_PASSWORD_LENGTH,
      maxPasswordLength: MAX_PASSWORD_LENGTH,
      resetPasswordTokenExpiresIn: RESET_SECONDS,
      revokeSessionsOnPasswordReset: true,
      sendResetPassword: async ({ user, url }) =>
        mailbox.post({
          to: user.email,
          subject: 'Set a new CrossModel password',
          text: `Somebody, probably you, wants to set a new password. Within an hour, open:\n\n${url}\n\nIf it was not you, ignore this mail.\n`,
        }),
    },
    emailVerification: {
      sendOnSignUp: true,
      sendOnSignIn: true,
      autoSignInAfterVerification: true,
      expiresIn: VERIFICATION_SECONDS,
      sendVerificationEmail: async ({ user, url }) =>
        mailbox.post({
          to: user.email,
          subject: 'Confirm your e-mail address for CrossModel',
          text: `Welcome. To confirm that this address is yours, open within a day:\n\n${url}\n\nIf you did not sign up, ignore this mail.\n`,
        }),
    },
  } satisfies BetterAuthOptions;
}

function rateLimitOptions(rateLimiter: RateLimiter, development: boolean) {
  const guesses = development ? DEVELOPMENT_GUESSES_PER_MINUTE : GUESSES_PER_MINUTE;
  return {
    enabled: true,
    window: REQUESTS_PER_MINUTE.window,
    max: REQUESTS_PER_MINUTE.max,
    customRules: {
      '/sign-in/*': guesses,
      '/sign-up/*': guesses,
      '/two-factor/*': guesses,
      '/request-password-reset': guesses,
      '/reset-password': guesses,
      '/send-verification-email': guesses,
      '/change-password': guesses,
    },
    customStorage: {
      consume: async (key, { window, max }) => {
        const verdict = await rateLimiter.spend(`sign-in:${key}`, { windowSeconds: window, max });
        return { allowed: verdict.allowed, retryAfter: verdict.allowed ? null : verdict.resetSeconds };
      },
    },
  } satisfies BetterAuthOptions['rateLimit'];
}

/** False stops the library. Names appear in mails and lists, so they follow the rule of all names. */
function checkPersonName(name: unknown): boolean {
  return (
    typeof name === 'string' &&
    name.trim().length > 0 &&
    name.length <= MAX_NAME_LENGTH &&
    !CONTROL_CHARACTERS.test(name)
  );
}

export type SignIn = ReturnType<typeof openSignIn>;
