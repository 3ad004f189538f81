/**
 * What went wrong, in one shape for every face: a code for machines, a sentence for people, whether the same call may be tried
 * again, and what to do next. Deterministic: the same failure says the same thing to a person, an agent and a script.
 */
import { ApiError, Redirected, Unreachable } from "./api.ts";
import { ArchiveError } from "./archive/refusal.ts";
import { EnvelopeError } from "./envelope/refusal.ts";
import { PaymentRefused } from "./pay.ts";
import { KeyError, type KeyRefusal } from "./private-file.ts";
import { TransferError } from "./transfer.ts";

export interface FaultFacts {
  readonly code: string;
  readonly message: string;
  /** The very same call may be made again, with hope and without a second charge. */
  readonly retryable: boolean;
  /** What to do, as a sentence. */
  readonly next: string;
}

/** A refusal of the client's own. */
export class Fault extends Error {
  readonly code: string;
  readonly retryable: boolean;
  readonly next: string;
  constructor(code: string, message: string, more: { retryable?: boolean; next?: string; cause?: unknown } = {}) {
    super(message, { cause: more.cause });
    this.name = "Fault";
    this.code = code;
    this.retryable = more.retryable ?? false;
    this.next = more.next ?? "Correct the call and make it again.";
  }
}

const AGAIN = "Make the same call again; it resumes and nothing is paid twice.";

export function explain(error: unknown): FaultFacts {
  if (error instanceof Fault) return facts(error.code, error.message, error.retryable, error.next);
  if (error instanceof ApiError) {
    const { code, title, detail, retryable, next_action } = error.problem;
    return facts(code, `${title}: ${detail}`, retryable, next_action);
  }
  if (error instanceof Unreachable)
    return facts("unreachable", error.message, true, `Check the network and the service's address. ${AGAIN}`);
  if (error instanceof Redirected)
    return facts("redirected", error.message, false, "If the service has moved, set baseUrl to its new address.");
  if (error instanceof PaymentRefused)
    return error.code === "pending"
      ? facts("payment_pending", error.message, true, AGAIN)
      : facts(
          error.code === "cap" ? "above_cap" : `payment_${error.code}`,
          error.message,
          false,
          NEXT_OF_PAYMENT[error.code],
        );
  if (error instanceof TransferError) return facts("transfer", error.message, true, AGAIN);
  if (error instanceof EnvelopeError)
    return facts(error.code, error.message, false, "Nothing was written. Check the key and the object.");
  if (error instanceof ArchiveError)
    return facts(error.code, error.message, error.code === "changed", "Correct the path and make the call again.");
  if (error instanceof KeyError) return facts(`key_${error.code}`, error.message, false, NEXT_OF_KEY[error.code]);
  if (isDiskFull(error))
    return facts(
      "disk_full",
      `There is no room left on the disk: ${sentenceOf(error)}.`,
      true,
      `Free some space. ${AGAIN}`,
    );
  if (isSystemError(error)) return facts(`system_${error.code}`, error.message, false, "See to it, then try again.");
  const message = error instanceof Error ? error.message : String(error);
  return facts("internal", message, true, AGAIN);
}

const NEXT_OF_PAYMENT: Readonly<Record<Exclude<PaymentRefused["code"], "pending">, string>> = {
  malformed: "Nothing was signed. Tell the operator of the service.",
  amount: "Nothing was signed. Ask for a price again and decide anew.",
  payee: "Nothing was signed. If the service announced a new payee, the operator adds it to approvedPayees.",
  asset: "Nothing was signed. Only USDC is paid.",
  network: "Nothing was signed. Check the configured network.",
  cap: "Nothing was signed. The operator may raise the cap, or approve this one payment.",
};

const NEXT_OF_KEY: Readonly<Record<KeyRefusal, string>> = {
  not_a_file: "Put the file itself in the link's place (only you may read it), or move it away.",
  foreign_owner: "If it is yours, `chown` it to yourself; else move it away and ask how it came there.",
  not_a_key: "Restore it from a copy or the recovery kit, or move it away.",
  exists: "Use what is there, or name another place.",
  missing: "Bring it back: `mnemospark wallet import FILE` for a wallet, the recovery kit for an encryption key.",
};

function facts(code: string, message: string, retryable: boolean, next: string): FaultFacts {
  return { code, message, retryable, next };
}

function isSystemError(error: unknown): error is Error & { code: string } {
  return error instanceof Error && "syscall" in error && "code" in error && typeof error.code === "string";
}

/** SQLITE_FULL: the journal could not be written. */
const SQLITE_FULL = 13;

function isDiskFull(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if ("errcode" in error && error.errcode === SQLITE_FULL) return true;
  return "code" in error && (error.code === "ENOSPC" || error.code === "EDQUOT");
}

function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message.replace(/\.$/, "") : String(error);
}
