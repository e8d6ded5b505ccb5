/**
 * CrossModel cannot start and the person at the keyboard can do something about it: the message says what. It is thrown
 * from wherever that is found out and caught in one place (main.ts), which prints it without a stack trace.
 */
export class StartRefusal extends Error {
  override readonly name = 'StartRefusal';
}
