/** Base of what this library throws. `remedy` says who can help: the user, time, or only a change of the program. */
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
