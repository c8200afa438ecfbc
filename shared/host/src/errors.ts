/**
 * Base of every error of this library. `remedy` says what helps: the user, a retry, or only a change of the program.
 */
export class HostError extends Error {
  readonly code: 'source' | 'apt' | 'snap' | 'invalid-file' | 'service' | 'kernel' | 'command';
  readonly remedy: 'user' | 'retry' | 'bug';

  constructor(code: HostError['code'], remedy: HostError['remedy'], message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'HostError';
    this.code = code;
    this.remedy = remedy;
  }
}
