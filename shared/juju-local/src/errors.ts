/** A mistake of the user: its message is all that is shown. */
export class UsageError extends Error {}

/** A command line that cannot be meant. */
export class CommandLineError extends UsageError {}
