/** Scenes about what is bought: by hand, by the agent under the cap, and above it with, without and against a person's yes. */
import assert from "node:assert/strict";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { agent, grep, json, resolveApprovals, setCap, step, type World } from "./world.ts";

interface Listed {
  readonly objects: readonly { readonly key: string; readonly amount: string; readonly paid_through: string }[];
}

export async function byHand(world: World): Promise<void> {
  const { host, stack, original } = world;
  const { workspace } = host;

  await step("/wallet create, and a dollar on it", async () => {
    assert.match(await host.chat("/wallet"), /No mnemospark wallet found/);
    world.address = /0x[0-9a-fA-F]{40}/.exec(await host.chat("/wallet create"))?.[0] as `0x${string}`;
    await stack.chain.fund(world.address, 1_000_000n);
    assert.match(await host.chat("/mnemospark wallet"), /\$1\.00 USDC/);
    const mode = (await stat(join(host.state, "mnemospark", "key", "wallet.key"))).mode & 0o777;
    assert.equal(mode, 0o600);
  });

  await step("/cloud upload, ls, download: the money moves once, the bytes come back", async () => {
    const before = await world.balance();
    const stored = await host.chat(`/cloud upload "${join(workspace, "memory.bin")}" name:by-hand`);
    assert.match(stored, /has been stored using `aws`/);
    const paid = before - (await world.balance());
    assert.ok(paid > 0n);
    const { objects } = await json<Listed>(world, "/cloud ls");
    assert.deepEqual(
      objects.map(({ key, amount }) => ({ key, amount })),
      [{ key: "by-hand", amount: paid.toString() }],
    );
    assert.match(await host.chat(`/cloud download name=by-hand to=${join(workspace, "back.bin")}`), /downloaded to/);
    assert.deepEqual(await readFile(join(workspace, "back.bin")), original);
    assert.match(await host.chat("/cloud downlaod by-hand"), /Did you mean "download"/);
  });

  await step("the published client's three steps: backup, price-storage, upload", async () => {
    const paste = (text: string) => /```\n\/(.*)\n```/.exec(text)?.[1] ?? assert.fail(text);
    const backup = await host.chat(`/mnemospark cloud backup ${join(workspace, "memory.bin")} name:three-steps`);
    const price = await host.chat(`/${paste(backup)}`);
    assert.match(price, /Your storage quote `quote_/);
    assert.match(await host.chat(`/${paste(price)}`), /has been stored using `aws`/);
  });

  await step("/cloud doctor finds nothing wrong, but that there is no recovery kit yet", async () => {
    const said = (await host.chat("/cloud doctor")).split("\n").filter((line) => /❌|⚠️/.test(line));
    assert.equal(said.length, 1, said.join("\n"));
    assert.match(said[0] ?? "", /no recovery kit/);
  });
}

export async function byAgent(world: World): Promise<void> {
  const { host } = world;

  await step("the agent quotes and stores under the cap: nobody is asked", async () => {
    const result = await agent(world, "mnemospark_store", { path: "memory.bin", name: "by-agent" });
    assert.equal((result["object"] as { state?: string } | undefined)?.state, "stored", JSON.stringify(result));
    const again = await agent(world, "mnemospark_list", {});
    assert.equal((again["objects"] as unknown[]).length, 3);
  });

  await step(
    "the agent backs its workspace up, knowing the price before, and restores it into a new place",
    async () => {
      const before = await world.balance();
      const asked = await agent(world, "mnemospark_backup", { name: "whole", dry_run: true });
      const { amount } = asked["quote"] as { amount: string };
      assert.equal(await world.balance(), before, "a dry run pays nothing");
      const done = await agent(world, "mnemospark_backup", { name: "whole" });
      assert.equal((done["object"] as { state?: string } | undefined)?.state, "stored", JSON.stringify(done));
      assert.equal((before - (await world.balance())).toString(), amount);
      const restored = await agent(world, "mnemospark_restore", { name: "whole", destination: "restored" });
      assert.ok(restored["file"], JSON.stringify(restored));
      assert.deepEqual(await readFile(join(host.workspace, "restored", "memory.bin")), world.original);
      const again = await agent(world, "mnemospark_restore", { name: "whole", destination: "restored/memory.bin" });
      assert.match(JSON.stringify(again), /destination_exists/);
    },
  );

  await step("the agent may not read the client's keys, nor leave its workspace", async () => {
    for (const path of [join(host.state, "mnemospark"), "/etc/hostname", "../.openclaw/openclaw.json"]) {
      const result = await agent(world, "mnemospark_quote", { path });
      assert.equal((result["error"] as { code?: string } | undefined)?.code, "path_refused", JSON.stringify(result));
    }
  });

  await step("arguments are checked although the host does not", async () => {
    const { body } = await host.tool("mnemospark_fetch", { nam: "by-hand" });
    assert.match(JSON.stringify(body), /bad_arguments/);
  });
}

export async function aboveTheCap(world: World): Promise<void> {
  const { host, stack } = world;
  const paidFor = async (work: () => Promise<unknown>) => {
    const before = await world.balance();
    await work();
    return before - (await world.balance());
  };
  const paidThrough = async (name: string) =>
    (await json<Listed>(world, "/cloud ls")).objects.find(({ key }) => key === name)?.paid_through;

  await step("a changed config is in force without a restart: another cap", () => setCap(world, "0.001", "1000"));

  await step("above the cap a person is asked, and what was approved is what is paid", async () => {
    const seen: Record<string, unknown>[] = [];
    const off = resolveApprovals(world, seen, "allow-once");
    const paid = await paidFor(async () => {
      const result = await agent(world, "mnemospark_store", { path: "memory.bin", name: "approved" });
      assert.equal((result["object"] as { state?: string } | undefined)?.state, "stored", JSON.stringify(result));
    });
    off();
    assert.equal(seen.length, 1);
    const scope = JSON.stringify(seen[0]);
    assert.match(scope, new RegExp(`"amount":"${(Number(paid) / 1e6).toFixed(2)}`));
    assert.match(scope.toLowerCase(), new RegExp(stack.payTo.toLowerCase()));
  });

  await step("denied, or nobody there to ask: nothing is paid, renewed or deleted", async () => {
    const held = await paidThrough("by-hand");
    const paid = await paidFor(async () => {
      const off = resolveApprovals(world, [], "deny");
      for (const [tool, args] of [
        ["mnemospark_store", { path: "memory.bin", name: "denied" }],
        ["mnemospark_backup", { name: "denied-backup" }],
        ["mnemospark_renew", { name: "by-hand" }],
        ["mnemospark_delete", { name: "by-hand" }],
      ] as const) {
        const denied = await agent(world, tool, args);
        for (const done of ["object", "renewed", "deleted"])
          assert.equal(denied[done], undefined, `${tool}: ${JSON.stringify(denied)}`);
      }
      off();
      await host.leave();
      for (const [tool, args] of [
        ["mnemospark_store", { path: "memory.bin", name: "alone" }],
        ["mnemospark_renew", { name: "by-hand" }],
        ["mnemospark_delete", { name: "by-hand" }],
      ] as const) {
        const alone = await host.tool(tool, args);
        assert.equal(alone.status, 403, `${tool}: ${JSON.stringify(alone.body)}`);
      }
      assert.match(await host.chat(`/cloud upload ${join(host.workspace, "memory.bin")} name:chat`), /above the cap/);
      assert.match(await host.chat("/cloud renew by-hand"), /above the cap/);
    });
    assert.equal(paid, 0n);
    assert.equal(await paidThrough("by-hand"), held);
  });

  await step("renewed with a person's yes: once, for the price that was approved", async () => {
    const held = Date.parse((await paidThrough("by-hand")) ?? "");
    const seen: Record<string, unknown>[] = [];
    const off = resolveApprovals(world, seen, "allow-once");
    let said: Record<string, unknown> = {};
    const paid = await paidFor(async () => {
      said = await agent(world, "mnemospark_renew", { name: "by-hand" });
    });
    off();
    assert.equal((said["renewed"] as { amount?: string } | undefined)?.amount, paid.toString(), JSON.stringify(said));
    assert.equal(seen.length, 1);
    assert.match(JSON.stringify(seen[0]), new RegExp(`"amount":"${(Number(paid) / 1e6).toFixed(2)}`));
    assert.equal(Date.parse((await paidThrough("by-hand")) ?? "") - held, 30 * 86_400_000);
  });

  await step("deleted with a person's yes, for good", async () => {
    const seen: Record<string, unknown>[] = [];
    const off = resolveApprovals(world, seen, "allow-once");
    const said = await agent(world, "mnemospark_delete", { name: "three-steps" });
    off();
    assert.ok(said["deleted"], JSON.stringify(said));
    assert.match(JSON.stringify(seen), /three-steps/);
    assert.equal(await paidThrough("three-steps"), undefined);
    const gone = await agent(world, "mnemospark_fetch", { name: "three-steps" });
    assert.match(JSON.stringify(gone), /object_not_found/);
  });
}

/** A whole session lies behind: no secret may have been said or written down, but where it lives. */
export async function secretsKept(world: World): Promise<void> {
  const { host } = world;
  await step("no key, token or signed URL was ever said, logged or kept elsewhere", async () => {
    const home = join(host.state, "mnemospark");
    const wallet = (await readFile(join(home, "key", "wallet.key"), "utf8")).trim().slice(2);
    const token = (await readFile(join(home, "proxy.token"), "utf8")).trim();
    const [name = ""] = (await readdir(join(home, "keys"))).filter((each) => each.endsWith(".key"));
    const kek = await readFile(join(home, "keys", name));
    const secrets: readonly [string, string | Buffer, string[]][] = [
      ["the wallet's key", wallet, ["wallet.key"]],
      ["the proxy's token", token, ["proxy.token"]],
      ["the encryption key", kek, [name]],
      ["the encryption key in hex", kek.toString("hex"), []],
      ["the encryption key in base64", kek.toString("base64"), []],
      // The journal keeps the URL of a download under way, to go on with it after a crash.
      ["a URL's signature", "X-Amz-Signature=", ["journal.db", "journal.db-wal"]],
    ];
    for (const [what, secret, but] of secrets) {
      assert.deepEqual(await grep(host.home, secret, but), [], `${what} is written elsewhere`);
      const text = secret.toString("latin1");
      assert.ok(!host.heard.some((each) => each.includes(text)), `${what} was said`);
    }
  });
}
