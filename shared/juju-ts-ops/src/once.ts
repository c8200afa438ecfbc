/** Asks each question once. Whoever asks it again has the same answer. */
export class Once {
  readonly #answers = new Map<string, Promise<unknown>>();

  ask<T>(question: string, asks: () => Promise<T>): Promise<T> {
    const known = this.#answers.get(question);
    // Every question is used with one type of answer only: the method that asks it.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    if (known) return known as Promise<T>;
    const answer = asks();
    this.#answers.set(question, answer);
    return answer;
  }
}
