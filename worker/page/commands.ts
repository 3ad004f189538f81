/** Commands for the client on the agent's machine, to paste there. The words are the published client's. */

const quoted = (text: string) => (/^[\w.@%+,:-]+$/.test(text) ? text : `"${text.replace(/(["\\$`])/g, "\\$1")}"`);

export function openCommand(wallet = "<your wallet>"): string {
  return `mnemospark cloud ls-web wallet-address:${wallet}`;
}

export function deleteCommand(wallet: string, agent: string, key: string): string {
  return `mnemospark cloud delete ${objectWords(wallet, agent, key)}`;
}

export function renewCommand(wallet: string, agent: string, key: string): string {
  return `mnemospark cloud renew ${objectWords(wallet, agent, key)}`;
}

function objectWords(wallet: string, agent: string, key: string): string {
  return `wallet-address:${wallet} object-key:${quoted(key)}${agent === "main" ? "" : ` agent:${agent}`}`;
}
