import { privateKeyToAccount, generatePrivateKey } from "viem/accounts";
import { readFileSync } from "node:fs";
import { ask, walletOf } from "/work/main/test/live/door.ts";
import { ledgerOf } from "/work/main/test/live/ledger.ts";
const out = JSON.parse(readFileSync("/tmp/live-explore/out","utf8"));
const a = privateKeyToAccount(generatePrivateKey());
const said = await ask(out.urls.edge, {path:"/price-storage", by:a, body:{wallet_address:a.address, object_id:"x", size_bytes:5, region:"us-east-1"}});
console.log(said.status, said.json);
const t=performance.now();
try { console.log(ledgerOf({paths:{edge:"/tmp/live-explore/state/edge"}} as never, walletOf(a)), performance.now()-t); } catch(e) { console.log(e) }
