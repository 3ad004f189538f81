/** Why something sealed was not opened. Every one of them means: nothing of it was released. */
export class Unopened extends Error {
  constructor(sentence: string, options?: ErrorOptions) {
    super(sentence, options);
    this.name = "Unopened";
  }
}
