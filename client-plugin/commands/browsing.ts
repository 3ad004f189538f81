/** `cloud ls-web`: what is stored, in a browser. The page never sees a key unless its owner drops one on it. */
import { AGENT, type Command, PUBLISHED } from "./command.ts";
import { sameWallet } from "./storing.ts";
import { fenced } from "./words.ts";

const lsWeb: Command = {
  name: "ls-web",
  summary: "a link to see what is stored in a browser; works once, for minutes",
  words: [],
  flags: {
    ...AGENT,
    ...PUBLISHED,
    prefix: { kind: "text", help: "only names that begin so" },
    region: { kind: "text", help: "only this region", also: ["location"] },
    revoke: { kind: "switch", help: "close every link and every open browser instead" },
  },
  examples: ["cloud ls-web", "cloud ls-web --revoke"],
  async run(context, args) {
    await sameWallet(context, args);
    const { api } = await context.core.session();
    if (args.has("revoke")) {
      const { closed } = await api.browserRevoke();
      return { text: `${closed} links and browsers were closed.`, data: { closed } };
    }
    const [agent_id, prefix, region] = [args.text("agent"), args.text("prefix"), args.text("region")];
    const { app, expires_at } = await api.browserCode({
      ...(agent_id === undefined ? {} : { agent_id }),
      ...(prefix === undefined ? {} : { prefix }),
      ...(region === undefined ? {} : { region }),
    });
    const minutes = Math.max(1, Math.round((Date.parse(expires_at) - Date.now()) / 60_000));
    const text = [
      "Browse your files in the web app:",
      fenced(app),
      `Expires: ${new Date(expires_at).toUTCString()} (in ~${minutes}m). Whoever opens it first sees the list; nobody sees content without a key.`,
    ].join("\n");
    return { text, data: { app, expiresAt: expires_at } };
  },
};

export const browsingCommands: readonly Command[] = [lsWeb];
