/** Environment that the processes under test inherit. */
export function benchEnvironment(environment: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return environment;
}
