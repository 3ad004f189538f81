/**
 * The wallet's tables. Migrations are append-only: an entry that has run anywhere is never edited. Amounts are TEXT, because
 * SQLite integers above 2^53 are rounded on the way out; times are integer milliseconds.
 */
const WALLET_MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

  -- Append-only, numbered, hash-chained: each row's hash covers the one before it.
  CREATE TABLE journal (
    seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, kind TEXT NOT NULL, data TEXT NOT NULL,
    prev TEXT NOT NULL, hash TEXT NOT NULL
  );

  -- A proof's nonce is bound to the first request that showed it.
  CREATE TABLE proofs (nonce TEXT PRIMARY KEY, request TEXT NOT NULL, expires_ms INTEGER NOT NULL) WITHOUT ROWID;

  CREATE TABLE quotes (
    quote_id TEXT PRIMARY KEY, agent_id TEXT NOT NULL, object_key TEXT NOT NULL, object_id TEXT NOT NULL,
    object_id_hash TEXT NOT NULL, region TEXT NOT NULL, size_max INTEGER NOT NULL, amount TEXT NOT NULL,
    card TEXT NOT NULL, created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, order_id TEXT
  ) WITHOUT ROWID;
  CREATE INDEX quotes_by_expiry ON quotes (expires_ms);

  -- A lease is on a resource (kind 'object' today); 'store' names the backend that holds it.
  CREATE TABLE orders (
    order_id TEXT PRIMARY KEY, kind TEXT NOT NULL, quote_id TEXT, agent_id TEXT NOT NULL, object_key TEXT NOT NULL,
    object_id TEXT NOT NULL, object_id_hash TEXT NOT NULL, store TEXT NOT NULL, region TEXT NOT NULL, bucket TEXT,
    size_max INTEGER NOT NULL, amount TEXT NOT NULL, card TEXT NOT NULL, state TEXT NOT NULL,
    created_ms INTEGER NOT NULL, paid_ms INTEGER, paid_through_ms INTEGER, claim_key TEXT,
    last_plan INTEGER NOT NULL DEFAULT 0, stored_plan INTEGER, downloads_used INTEGER NOT NULL DEFAULT 0, ended TEXT
  ) WITHOUT ROWID;
  CREATE UNIQUE INDEX one_order_per_name ON orders (agent_id, object_key) WHERE state IN ('paying', 'paid', 'stored');

  -- (network, asset, from, nonce) is the identity of a payment; a claim that left us is never deleted.
  CREATE TABLE payments (
    claim_key TEXT PRIMARY KEY, payment_id TEXT NOT NULL UNIQUE, order_id TEXT NOT NULL, purchase TEXT NOT NULL,
    fingerprint TEXT NOT NULL, amount TEXT NOT NULL, authorization TEXT NOT NULL, signature TEXT NOT NULL,
    state TEXT NOT NULL, tx_hash TEXT, block_number TEXT, block_ms INTEGER, gas_used TEXT, gas_price TEXT,
    claimed_ms INTEGER NOT NULL, review_ms INTEGER, reviews INTEGER NOT NULL DEFAULT 0, reason TEXT,
    attempt INTEGER NOT NULL DEFAULT 0
  ) WITHOUT ROWID;
  -- Whatever a client signs, one purchase has one payment under way.
  CREATE UNIQUE INDEX one_live_payment ON payments (purchase) WHERE state = 'open';
  CREATE INDEX payments_by_review ON payments (review_ms) WHERE review_ms IS NOT NULL;

  CREATE TABLE plans (
    order_id TEXT NOT NULL, plan INTEGER NOT NULL, s3_key TEXT NOT NULL UNIQUE, length_bytes INTEGER NOT NULL,
    sha256 TEXT NOT NULL, wrapped_dek TEXT, created_ms INTEGER NOT NULL, url_until_ms INTEGER NOT NULL, state TEXT NOT NULL,
    PRIMARY KEY (order_id, plan)
  ) WITHOUT ROWID;

  -- Bytes that must go: once now, and once more after the last URL that could write them has died.
  CREATE TABLE erasures (
    s3_key TEXT PRIMARY KEY, store TEXT NOT NULL, region TEXT NOT NULL, bucket TEXT NOT NULL,
    next_ms INTEGER NOT NULL, final_ms INTEGER NOT NULL, attempts INTEGER NOT NULL DEFAULT 0
  ) WITHOUT ROWID;

  CREATE TABLE buckets (
    region TEXT NOT NULL, sequence INTEGER NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (region, sequence)
  ) WITHOUT ROWID;

  CREATE TABLE idempotency (
    route TEXT NOT NULL, key TEXT NOT NULL, fields TEXT NOT NULL, created_ms INTEGER NOT NULL, PRIMARY KEY (route, key)
  ) WITHOUT ROWID;
  `,
  `
  -- The order that a payment identifier has made, so that the same id never makes another.
  ALTER TABLE idempotency ADD COLUMN order_id TEXT;
  `,
  `
  -- Since when a paid order was asked for a plan in vain.
  ALTER TABLE orders ADD COLUMN unserved_ms INTEGER;
  CREATE INDEX orders_unserved ON orders (unserved_ms) WHERE unserved_ms IS NOT NULL;
  `,
  `
  -- What a payment is for (purposes.ts); "order_id" is the id of that.
  ALTER TABLE payments ADD COLUMN purpose TEXT NOT NULL DEFAULT 'order';

  -- A period of an order and the claim that pays for it. Period 0 came with the upload and has no row.
  CREATE TABLE renewals (
    claim_key TEXT NOT NULL, order_id TEXT NOT NULL, period INTEGER NOT NULL, amount TEXT NOT NULL, card TEXT NOT NULL,
    size_bytes INTEGER NOT NULL, state TEXT NOT NULL, paid_ms INTEGER, from_ms INTEGER, through_ms INTEGER,
    PRIMARY KEY (claim_key, order_id)
  ) WITHOUT ROWID;
  -- Whatever pays, and however: one period is paid once.
  CREATE UNIQUE INDEX one_claim_a_period ON renewals (order_id, period) WHERE state IN ('open', 'granted');
  CREATE INDEX renewals_by_order ON renewals (order_id);

  -- Which period a key has bought, so that the same key never buys the next one.
  ALTER TABLE idempotency ADD COLUMN period INTEGER;

  -- Which period the downloads were counted in: the next one brings its own.
  ALTER TABLE orders ADD COLUMN downloads_period INTEGER NOT NULL DEFAULT 0;
  `,
  `
  -- Downloads are debited in bytes, for the paid period that ends at read_period_ms.
  ALTER TABLE orders ADD COLUMN read_bytes INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE orders ADD COLUMN read_period_ms INTEGER;
  UPDATE orders SET read_bytes = downloads_used * max(size_max, 4096);
  -- What a proof was given already: its repetition is not debited again.
  ALTER TABLE proofs ADD COLUMN debited TEXT;
  -- Lists go in the order of S3 keys, which is that of UTF-8 bytes.
  CREATE INDEX orders_by_place ON orders (region, 'agent=' || agent_id || '/' || object_key || '/')
    WHERE state IN ('paid', 'stored');
  `,
  `
  -- Contents that go up in parts: one upload a plan, each part's hash written down when its URL is asked for.
  ALTER TABLE plans ADD COLUMN part_bytes INTEGER;
  ALTER TABLE plans ADD COLUMN upload_id TEXT;
  ALTER TABLE plans ADD COLUMN composite TEXT;
  CREATE TABLE parts (
    order_id TEXT NOT NULL, plan INTEGER NOT NULL, part INTEGER NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (order_id, plan, part)
  ) WITHOUT ROWID;
  ALTER TABLE erasures ADD COLUMN parts INTEGER NOT NULL DEFAULT 0;

  -- When the alarm looks by itself whether an open plan's bytes arrived, and how often it has looked.
  ALTER TABLE plans ADD COLUMN look_ms INTEGER;
  ALTER TABLE plans ADD COLUMN looks INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX plans_by_look ON plans (look_ms) WHERE look_ms IS NOT NULL;
  UPDATE plans SET look_ms = url_until_ms + 60000 WHERE state = 'open';
  `,
  `
  -- When the last order of its region ended, and when to try next to remove it ('leaving', 'gone': emptied.ts).
  ALTER TABLE buckets ADD COLUMN emptied_ms INTEGER;
  ALTER TABLE buckets ADD COLUMN leave_ms INTEGER;
  CREATE INDEX orders_live ON orders (region) WHERE state IN ('paying', 'paid', 'stored');
  CREATE INDEX erasures_by_bucket ON erasures (bucket);
  `,
  `
  -- The browser view: one-use codes, and the sessions they were traded for. The SHA-256 of either, never what opens.
  CREATE TABLE browser_grants (
    hash TEXT PRIMARY KEY, kind TEXT NOT NULL, agent_id TEXT NOT NULL, prefix TEXT, region TEXT,
    created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL
  ) WITHOUT ROWID;
  `,
  `
  -- When an order is looked at next: at the end of what was paid, or of its grace. Written wherever its state moves (orders.ts).
  ALTER TABLE orders ADD COLUMN due_ms INTEGER;
  UPDATE orders SET due_ms = paid_through_ms + CASE state WHEN 'stored' THEN 172800000 ELSE 0 END WHERE state IN ('paid', 'stored');
  CREATE INDEX orders_due ON orders (due_ms) WHERE due_ms IS NOT NULL;
  `,
  `
  -- The store that holds the bucket; a region may move to another.
  ALTER TABLE buckets ADD COLUMN store TEXT NOT NULL DEFAULT 's3';
  `,
  `
  -- Reads beyond the allowance (packs.ts): bytes of one order's object, or list calls of the wallet (order_id is empty).
  CREATE TABLE packs (
    claim_key TEXT PRIMARY KEY, kind TEXT NOT NULL, order_id TEXT NOT NULL, amount TEXT NOT NULL, units_left INTEGER NOT NULL,
    state TEXT NOT NULL, until_ms INTEGER, served TEXT, replays INTEGER NOT NULL DEFAULT 0
  ) WITHOUT ROWID;
  CREATE INDEX packs_by_purchase ON packs (kind, order_id);
  `,
  `
  -- Statements (statements.ts): lines and prices as they were made. "claim_key": of the last claim that was taken for it.
  CREATE TABLE statements (
    statement_id TEXT PRIMARY KEY, expires_ms INTEGER NOT NULL, statement TEXT NOT NULL, claim_key TEXT
  ) WITHOUT ROWID;
  -- What AWS expects (forecasts.ts). "next_ms": when it is to be asked for; nothing once it was.
  CREATE TABLE forecasts (
    from_ms INTEGER PRIMARY KEY, until_ms INTEGER NOT NULL, state TEXT NOT NULL, amount TEXT, next_ms INTEGER
  );
  `,
  `
  -- Renewals signed beforehand. "authorization" and "signature" are erased as soon as the row waits no more.
  CREATE TABLE mandates (
    order_id TEXT NOT NULL, period INTEGER NOT NULL, claim_key TEXT NOT NULL UNIQUE, amount TEXT NOT NULL, card TEXT NOT NULL,
    size_bytes INTEGER NOT NULL, valid_after_ms INTEGER NOT NULL, valid_before_ms INTEGER NOT NULL, authorization TEXT,
    signature TEXT, state TEXT NOT NULL, added_ms INTEGER NOT NULL, next_ms INTEGER, attempts INTEGER NOT NULL DEFAULT 0,
    reason TEXT, PRIMARY KEY (order_id, period, claim_key)
  ) WITHOUT ROWID;
  -- One authorization at a time stands for a period.
  CREATE UNIQUE INDEX one_mandate_a_period ON mandates (order_id, period) WHERE state IN ('waiting', 'settling');
  CREATE INDEX mandates_by_day ON mandates (next_ms) WHERE next_ms IS NOT NULL;
  `,
  `
  -- After thousands of objects lapsed together: which of their bytes are to be erased next.
  CREATE INDEX erasures_by_next ON erasures (next_ms);
  `,
  `
  -- What a download that its reader named was debited for: these bytes of this content are not debited again before "until_ms".
  CREATE TABLE downloads (
    download_id TEXT NOT NULL, content TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, until_ms INTEGER NOT NULL,
    PRIMARY KEY (download_id, content, first, last)
  ) WITHOUT ROWID;
  CREATE INDEX downloads_by_end ON downloads (until_ms);
  `,
  `
  -- The wrapped key in force, where a rotation of the wallet's keys replaced the one that the bytes came with (rewraps.ts).
  ALTER TABLE plans ADD COLUMN rewrapped_dek TEXT;
  ALTER TABLE plans ADD COLUMN rewraps INTEGER NOT NULL DEFAULT 0;
  `,
  `
  -- Warnings before the end (warnings.ts): when the next one is due, how many were given, and for which end of what was paid.
  ALTER TABLE orders ADD COLUMN warn_ms INTEGER;
  ALTER TABLE orders ADD COLUMN warned INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE orders ADD COLUMN warned_ms INTEGER;
  UPDATE orders SET warned_ms = paid_through_ms, warn_ms = paid_through_ms - 604800000 WHERE state IN ('paid', 'stored');
  CREATE INDEX orders_warn ON orders (warn_ms) WHERE warn_ms IS NOT NULL;
  `,
];

const RELAYER_MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

  -- What has to be settled: 'queued' and 'sent', with 'settled' and 'void' as ends. 'left_us': a transaction carried it once.
  CREATE TABLE jobs (
    claim_key TEXT PRIMARY KEY, payer TEXT NOT NULL, authorization TEXT NOT NULL, signature TEXT NOT NULL, state TEXT NOT NULL,
    left_us INTEGER NOT NULL, alone INTEGER NOT NULL, tries INTEGER NOT NULL, claimed_ms INTEGER NOT NULL,
    attempt INTEGER NOT NULL, nonce INTEGER,
    proof TEXT, reason TEXT, detail TEXT
  ) WITHOUT ROWID;
  CREATE INDEX jobs_by_state ON jobs (state, claimed_ms);
  CREATE INDEX jobs_by_nonce ON jobs (nonce) WHERE nonce IS NOT NULL;

  -- Nonces in use, and every transaction ever signed for them: written before it is sent.
  CREATE TABLE slots (nonce INTEGER PRIMARY KEY, open INTEGER NOT NULL, opened_ms INTEGER NOT NULL);
  CREATE TABLE txs (
    hash TEXT PRIMARY KEY, nonce INTEGER NOT NULL, carries TEXT NOT NULL, raw TEXT NOT NULL, max_fee TEXT NOT NULL,
    priority_fee TEXT NOT NULL, signed_ms INTEGER NOT NULL
  );
  CREATE INDEX txs_by_nonce ON txs (nonce);
  `,
];

const RATES_MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

  -- Every card that was ever sold by; leases name them. One is current.
  CREATE TABLE cards (
    version TEXT PRIMARY KEY, card TEXT NOT NULL, taken_ms INTEGER NOT NULL, superseded_ms INTEGER
  ) WITHOUT ROWID;
  CREATE UNIQUE INDEX one_current ON cards ((superseded_ms IS NULL)) WHERE superseded_ms IS NULL;
  CREATE INDEX cards_by_end ON cards (superseded_ms);
  `,
];

const REGISTRY_MIGRATIONS: readonly string[] = [
  `
  -- "seq" numbers what a wallet says; "try_ms" is when it is woken, if it is not heard of before.
  CREATE TABLE wallets (
    wallet TEXT PRIMARY KEY, seq INTEGER NOT NULL, due_ms INTEGER, try_ms INTEGER, failures INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE INDEX wallets_by_try ON wallets (try_ms) WHERE try_ms IS NOT NULL;
  `,
];

const HEARTBEAT_MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE beats (kind TEXT PRIMARY KEY, last_ms INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE gaps (
    kind TEXT NOT NULL, from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL, PRIMARY KEY (kind, from_ms)
  ) WITHOUT ROWID;
  `,
];

export function migrateRegistry(storage: DurableObjectStorage): void {
  migrate(storage, REGISTRY_MIGRATIONS);
}

export function migrateHeartbeat(storage: DurableObjectStorage): void {
  migrate(storage, HEARTBEAT_MIGRATIONS);
}

export function migrateWallet(storage: DurableObjectStorage): void {
  migrate(storage, WALLET_MIGRATIONS);
}

export function migrateRelayer(storage: DurableObjectStorage): void {
  migrate(storage, RELAYER_MIGRATIONS);
}

export function migrateRates(storage: DurableObjectStorage): void {
  migrate(storage, RATES_MIGRATIONS);
}

function migrate(storage: DurableObjectStorage, migrations: readonly string[]): void {
  storage.transactionSync(() => {
    storage.sql.exec("CREATE TABLE IF NOT EXISTS migrations (id INTEGER PRIMARY KEY)");
    const done = storage.sql.exec<{ n: number }>("SELECT count(*) AS n FROM migrations").one().n;
    for (let id = done; id < migrations.length; id++) {
      storage.sql.exec(migrations[id] ?? "");
      storage.sql.exec("INSERT INTO migrations (id) VALUES (?)", id);
    }
  });
}
