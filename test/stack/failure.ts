/** What went wrong with the local stack, said so that the reader knows what to type next. Shown without a stack trace. */
export class StackFailure extends Error {
  override readonly name = "StackFailure";
}

export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
