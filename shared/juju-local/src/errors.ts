/** A mistake of the user: its message is all that is shown. */
export class UsageError extends Error {}
