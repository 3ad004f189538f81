/** Every ceiling of the service in one place, each with its reason. Times in seconds unless the name says otherwise. */

/** A JSON body larger than this is nobody's request: the largest honest one is a plan with a wrapped key, about 4 KiB. */
export const JSON_BODY_BYTES_MAX = 64 * 1024;
/**
 * File bytes in a request, `mode: "inline"`: exactly where the published client turns to a presigned URL. A Worker has 128 MB, and a
 * body of this size is there four times at its peak (as it came, as text, as base64, decoded): 25 MB.
 */
export const INLINE_BYTES_MAX = 4_500_000;
/** So many bodies of that size at once in one Worker; the next ones wait, unread, this long. */
export const INLINE_BODIES_AT_ONCE = 3;
export const INLINE_WAIT_MS = 25_000;
/** A body comes within this time or is given up: who dribbles holds memory that others wait for. */
export const BODY_READ_MAX_MS = 60_000;
/** Headers of both x402 families are about 1 KiB; intermediaries refuse more than this anyway. */
export const PAYMENT_HEADER_BYTES_MAX = 8 * 1024;
/** A wallet proof is about 700 bytes of base64. */
export const PROOF_HEADER_BYTES_MAX = 4 * 1024;

/** One S3 PUT ends at 5 GiB (AWS "Uploading objects"); above it a plan must have parts. */
export const PUT_BYTES_MAX = 5 * 1024 ** 3;
/** S3's largest object, 50 TB (AWS "Amazon S3 multipart upload limits"); ten thousand parts of 5 GiB would be a little more. */
export const OBJECT_BYTES_MAX = 50_000_000_000_000;
/** The same page: number of parts, smallest part but the last, largest part. */
export const PARTS_MAX = 10_000;
export const PART_BYTES_MIN = 5 * 1024 ** 2;
export const PART_BYTES_MAX = 5 * 1024 ** 3;
/** Nobody chose: small enough to send again on a bad line, large enough that S3's requests cost less than its bytes. */
export const PART_BYTES_DEFAULT = 16 * 1024 ** 2;
/** URLs of one answer: each is about 1 KiB and a millisecond of signing, and lives no longer than UPLOAD_URL_TTL_S. */
export const PARTS_PER_ASK_MAX = 100;
/** Parts of a content that would replace a stored one, and that nobody asked about for so long, are given up. */
export const REPLACEMENT_IDLE_DAYS = 7;
/** S3 ends keys at 1,024 bytes; agent, order and plan must fit beside the name. */
export const OBJECT_KEY_BYTES_MAX = 512;
export const AGENT_ID_CHARS_MAX = 64;
export const OBJECT_ID_CHARS_MAX = 256;
/** S3 allows 2 KB of user metadata in all; the wrapped key is the only entry. */
export const WRAPPED_DEK_CHARS_MAX = 1_800;
export const IDEMPOTENCY_KEY_CHARS_MAX = 255;

/** Envelope overhead that a `gb` quote leaves room for: 12 bytes nonce and 16 bytes tag of the old format. */
export const OLD_ENVELOPE_BYTES = 28;

/** A superseded rate card is honoured for one hour, so a quote lives one hour. Who last told its price had seen it a little before. */
export const QUOTE_TTL_S = 3_600;
/** An agent that holds a thousand open quotes is broken, not busy. */
export const OPEN_QUOTES_PER_WALLET_MAX = 1_000;
/** An estimate of more than a petabyte is nobody's; AWS's last tier begins far below. */
export const ESTIMATE_BYTES_MAX = 1e15;
/** How long a machine of the edge sells by the cards it has read, and for how long at most while the shelf does not answer. */
export const CARDS_FRESH_S = 10;
export const CARDS_STALE_MAX_S = 600;
export const CARD_HONOURED_S = QUOTE_TTL_S + CARDS_STALE_MAX_S + CARDS_FRESH_S;
/** AWS's prices change a few times a year; once a day is often enough, and sooner than this on demand is a loop. */
export const CARD_REFRESH_S = 86_400;
export const CARD_REFRESH_MIN_S = 600;
/** Rate cards older than this are no basis for a promise. */
export const RATE_CARD_AGE_MAX_S = 7 * 86_400;

/** Wallet proof: age and future skew of the published client. */
export const PROOF_AGE_MAX_S = 300;
export const PROOF_SKEW_S = 60;

/** A sign-in challenge is answered by a program within seconds; its nonce is remembered this long at most. */
export const SIWX_TTL_S = 300;
/** Edge machines' clocks against each other. */
export const SIWX_SKEW_S = 30;
/** A read session: long enough for one task of an agent, short enough to lose. */
export const SESSION_TTL_S = 900;

/** A browser code is opened by hand, seconds after it was printed. */
export const BROWSER_CODE_TTL_S = 300;
/** A browser session: long enough to look through a list, short enough on a machine somebody leaves. */
export const BROWSER_SESSION_TTL_S = 1_800;
/** Codes, and sessions, that a wallet has open at once; a newer one replaces the oldest. */
export const BROWSER_GRANTS_MAX = 20;

/** x402 `maxTimeoutSeconds` we ask for. */
export const PAYMENT_TIMEOUT_S = 120;
/** An authorization must outlive the settlement itself: a few blocks and a slow endpoint. */
export const PAYMENT_MARGIN_S = 30;
/** Payers' clocks are not ours. */
export const PAYMENT_SKEW_S = 60;
/** The published client asks for 300 s when it finds no `maxTimeoutSeconds`, whatever we advertise. */
export const PAYMENT_VALIDITY_MAX_S = 300;

/** How long a request waits for a receipt before it answers "pending". */
export const SETTLE_WAIT_MS = 25_000;
/** When the wallet's alarm first looks at a payment that nobody finished: after any request that could still be waiting. */
export const SETTLE_REVIEW_AFTER_MS = 35_000;

/** Reads beyond the allowance are sold by the pack, which is good for this long. */
export const PACK_HOURS = 24;
/** List calls in a pack: as many as one object brings. */
export const PACK_LISTS = 200;
/** How often a paid download whose reply was lost is answered again: a URL opens as often as one likes anyway, while it lives. */
export const PACK_REPLAYS_MAX = 5;

/** Presigned PUT: long enough for one attempt, short enough to die before it matters; re-issued on request. */
export const UPLOAD_URL_TTL_S = 900;
export const DOWNLOAD_URL_TTL_DEFAULT_S = 300;
export const DOWNLOAD_URL_TTL_MAX_S = 3_600;
/** Our own client asks and starts at once: S3 looks at the time when a GET begins, not while it runs. */
export const DOWNLOAD_URL_TTL_CLIENT_S = 60;
/**
 * So long a named download is not debited again for bytes it was debited for: a URL that lives an hour opens as often as one likes,
 * so nothing can be read by asking again that could not be read before.
 */
export const DOWNLOAD_REPEAT_S = DOWNLOAD_URL_TTL_MAX_S;
/** The least that a download URL debits: a GET costs as much as 4.4 KB of egress ($0.0004 a thousand, $0.09 a GB). */
export const DOWNLOAD_DEBIT_BYTES_MIN = 4_096;

/** A paid period, and the grace after it before anything is erased (PRD R3: 30-day interval, 32-day deadline). */
export const PERIOD_DAYS = 30;
export const GRACE_DAYS = 2;

/** Events before the end: a week before a period is due, when it is unpaid, and a day before its bytes go (for who looks once a day). */
export const DUE_SOON_DAYS = 7;
export const LAST_WARNING_HOURS = 24;

/** A renewal that names no period, so soon after the last one, is a repeat whose reply was lost: who pays monthly waits 28 days. */
export const RENEWAL_REPEAT_DAYS = 20;
/** A year ahead: nothing here is a savings account. */
export const PERIODS_AHEAD_MAX = 12;

/**
 * Lines of one statement. All are claimed, and later granted, in one transaction of the wallet's object, which serves nobody meanwhile;
 * who keeps more pays with several.
 */
export const STATEMENT_LINES_MAX = 1_000;
/** Pages of S3 (1,000 keys each) that one statement is weighed by; what is behind them comes with the next statement. */
export const STATEMENT_S3_PAGES_MAX = 100;
/** Statements that nobody has paid; a newer one replaces the oldest. */
export const OPEN_STATEMENTS_MAX = 20;
/** Cost Explorer asks $0.01 for a forecast: nothing is forecast for a statement of less than ten times that. */
export const FORECAST_FROM_MICRO_USDC = 100_000n;
/** When the forecast for the next statement is fetched: before a monthly payer asks for it. */
export const FORECAST_AHEAD_DAYS = 25;
/** Rows of a ledger in one answer: about 400 bytes each. */
export const LEDGER_ROWS_MAX = 1_000;

/** The service beats every minute; this long without, and there was an outage. */
export const BEAT_MISSED_MS = 600_000;
/** An outage older than this is over for every object: two days after it each had its grace. */
export const GAPS_KEPT_DAYS = 400;
/** Registries of due times: each serves a few hundred thousand wallets. */
export const REGISTRY_SHARDS = 16;
/** Wallets on one page of an operator's dry run, each asked by a call of its own, and errands shown of each. */
export const DRY_RUN_WALLETS_MAX = 100;
export const DRY_RUN_ERRANDS_MAX = 200;
/** How far ahead a dry run looks: a period and its grace. */
export const DRY_RUN_HOURS_MAX = 32 * 24;
/** Subrequests of one invocation are bounded (1,000), and what is left is woken a minute later. */
export const WAKES_PER_SWEEP = 200;

/** A mandate outlives its period's due date by so much: two days of grace and two weeks in which we may be down. */
export const MANDATE_WINDOW_DAYS = 16;
/** What did not pay (funds are short) is tried again this often until the deadline. */
export const MANDATE_RETRY_MS = 3_600_000;
/** Rows in a list of mandates: a year for 80 objects. */
export const MANDATES_LISTED_MAX = 1_000;

/** Downloads of the object, and list calls, that a paid period includes. */
export const INCLUDED_DOWNLOADS = 3;
export const INCLUDED_LISTS = 200;

/**
 * An emptied bucket is kept a day: longer than any URL into it lives, and a wallet that stores something every day does not have it made
 * anew each time (S3 gives a name back only hours after).
 */
export const EMPTIED_BUCKET_KEEP_S = 86_400;

/** S3's own page size. */
export const LIST_KEYS_MAX = 1_000;
/** One page may go through so many regions (or agents, under a prefix); a subrequest costs and the caller waits. */
export const S3_CALLS_PER_LIST_MAX = 8;
/** Leases whose bytes a page of S3 does not show are looked at one by one; a page ends where there are more than these. */
export const S3_LOOKS_PER_LIST_MAX = 16;

/** Contents replaced under one paid name, per hour: more is a loop. */
export const PLANS_PER_ORDER_HOUR_MAX = 60;

/** Each leaves a row in the journal; who rotates every week needs twenty years for them. */
export const REWRAPS_PER_CONTENT_MAX = 1_000;

/** Rows of each list in one `GET /billing`, and events in one `GET /events`: more is another page. */
export const BILLING_ROWS_MAX = 200;
export const EVENTS_MAX = 500;
