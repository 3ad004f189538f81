/** Whose object this is: it is named by its lower-case address, written down at first sight, because an alarm may wake it without its name. */
import { parseWallet, type Wallet } from "#contract/wallet";

export function walletNamed(sql: SqlStorage, name: string | undefined): Wallet {
  const kept = sql.exec<{ value: string }>("SELECT value FROM meta WHERE key = 'wallet'").toArray()[0]?.value;
  const wallet = parseWallet(kept ?? name);
  if (wallet === undefined || wallet !== (name ?? wallet))
    throw new Error("invariant: a wallet object is named by its lower-case address");
  if (kept === undefined) sql.exec("INSERT INTO meta (key, value) VALUES ('wallet', ?)", wallet);
  return wallet;
}
